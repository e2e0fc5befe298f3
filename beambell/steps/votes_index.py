"""What merge needs to know of every partition's votes, without reading every manifest every time.

A long history is thousands of manifests, and a new day changes a few. The index remembers, for each, what was read and
the stamp of the file it was read from; a stamp that changed is read again. It is a cache below ``.beambell/``: safe to
delete, and of no use (nor harm) where files have no stamps, as in object stores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from beambell.project import Project
from beambell.state.members import Member
from beambell.store import FileRef, Files, Layout, Manifest, Partition

FILE_NAME = "votes-index.json"
VERSION = 1


@dataclass(frozen=True)
class Voted:
    """Votes of one partition.

    Attributes
    ----------
    lfs
        Digest of the LFs that cast them.
    member
        What the state would count.
    """

    lfs: str
    member: Member


def read_votes(project: Project) -> dict[Partition, Voted]:
    """List the votes there are, by partition, in order."""
    store = project.store
    cache = _Cache(project)
    found = {}
    for folder in store.files.find(Layout.VOTES, "manifest.json"):
        stamp = store.files.stamp(f"{folder}/manifest.json")
        voted = cache.get(folder, stamp)
        if voted is None:
            manifest = store.read(folder)
            if manifest is None:
                continue
            voted = _voted(manifest)
            cache.put(folder, stamp, voted)
        found[Partition.from_folder(folder)] = voted
    cache.save(len(found))
    return dict(sorted(found.items()))


def _voted(manifest: Manifest) -> Voted:
    files = manifest.files
    member = Member(files["patterns"], files["votes"].sha256, manifest.facts["rows"])
    return Voted(manifest.inputs["lfs"], member)


class _Cache:
    def __init__(self, project: Project) -> None:
        self._files = Files(str(project.volatile))
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        data = self._files.read(FILE_NAME)
        try:
            tree = json.loads(data) if data else {}
            if tree.get("version") == VERSION and tree.get("root") == project.store.files.root:
                self._known = tree["votes"]
        except (ValueError, AttributeError, KeyError):
            pass  # it is only a cache
        self._root = project.store.files.root

    def get(self, folder: str, stamp: str | None) -> Voted | None:
        entry = self._known.get(folder)
        return _from_entry(entry[1]) if stamp and entry and entry[0] == stamp else None

    def put(self, folder: str, stamp: str | None, voted: Voted) -> None:
        if stamp:
            self._known[folder] = [stamp, asdict(voted)]
            self._changed = True

    def save(self, n: int) -> None:
        if self._changed or len(self._known) > 2 * n:
            tree = {"version": VERSION, "root": self._root, "votes": self._known}
            self._files.write(FILE_NAME, json.dumps(tree).encode())


def _from_entry(entry: Mapping[str, Any]) -> Voted:
    member = entry["member"]
    return Voted(entry["lfs"], Member(FileRef(**member["patterns"]), member["votes"], member["rows"]))
