"""What merge needs to know of every partition's votes, without reading every manifest every time.

A long history is thousands of manifests, and a new day changes a few. The index remembers, for each, what was read and
the stamp of the file it was read from; a stamp that changed is read again. It is a cache below ``.beambell/``: safe to
delete, and of no use (nor harm) where files have no stamps, as in object stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from beambell.project import Project
from beambell.state.members import Member
from beambell.store import FileRef, Layout, Manifest, Partition
from beambell.store.remembered import Remembered

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
    known = Remembered(project.volatile, "votes-index", about=f"{VERSION} {store.files.root}")
    found = {}
    for folder in store.files.find(Layout.VOTES, "manifest.json"):
        stamp = store.files.stamp(f"{folder}/manifest.json")
        entry = known.get(folder, stamp)
        if entry is None:
            manifest = store.read(folder)
            if manifest is None:
                continue
            entry = asdict(_voted(manifest))
            known.put(folder, stamp, entry)
        found[folder] = _from_entry(entry)
    known.save(keep=found)
    return dict(sorted((Partition.from_folder(folder), voted) for folder, voted in found.items()))


def _voted(manifest: Manifest) -> Voted:
    files = manifest.files
    member = Member(files["patterns"], files["votes"].sha256, manifest.facts["rows"])
    return Voted(manifest.inputs["lfs"], member)


def _from_entry(entry: Mapping[str, Any]) -> Voted:
    member = entry["member"]
    return Voted(entry["lfs"], Member(FileRef(**member["patterns"]), member["votes"], member["rows"]))
