"""Garbage: data files that no manifest names, and what dead jobs left in staging."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import dataclass

from beambell.artefacts.kind import Artefact
from beambell.artefacts.snapshot import Snapshot, take_snapshot
from beambell.store.layout import Layout
from beambell.store.manifest import FileRef, Store

# Only what we wrote: a name that ends in a digest. Whatever a person put beside it is theirs.
_SEALED = re.compile(r"-[0-9a-f]{16}\.[a-z0-9.]+$")


@dataclass(frozen=True)
class Garbage:
    """What is there for nothing.

    Attributes
    ----------
    files
        Name to bytes.
    spared
        Unnamed files that are too young to be sure of.
    """

    files: dict[str, int]
    spared: int

    @property
    def bytes(self) -> int:
        """How much room they take."""
        return sum(self.files.values())


def find_garbage(store: Store, *, keep_history: int | None = None, grace_s: float = 0.0) -> Garbage:
    """Find the data files that nothing names; whoever removes them must hold the write lock.

    Parameters
    ----------
    store
        Store that is searched.
    keep_history
        Number of past revisions of each artefact that keep their data files, newest first; ``None`` for all. A past
        revision that a current artefact was made from always keeps them, and manifests are always kept.
    grace_s
        Seconds: younger files are spared, for readers that read a manifest a moment ago.

    Raises
    ------
    ArtefactError
        If a manifest cannot be read: nobody knows what it names.
    """
    snapshot = take_snapshot(store)
    for error in snapshot.unreadable.values():
        raise error
    kept = list(snapshot.current) + _kept_history(snapshot, keep_history)
    named = {f"{artefact.folder}/{ref.name}" for artefact in kept for ref in artefact.manifest.files.values()}
    named |= {f"{artefact.folder}/{ref.name}" for artefact in snapshot.revisions for ref in _never_garbage(artefact)}
    staged = store.files.walk(Layout.STAGING)
    unnamed = {name: entry for name, entry in snapshot.entries.items() if _SEALED.search(name) and name not in named}
    oldest = time.time() - grace_s
    files = {name: entry.bytes for name, entry in {**staged, **unnamed}.items() if entry.modified <= oldest}
    return Garbage(files, len(staged) + len(unnamed) - len(files))


def remove_garbage(store: Store, garbage: Garbage) -> None:
    """Remove what was found, under the same lock under which it was found."""
    for name in garbage.files:
        store.files.remove(name)


def _kept_history(snapshot: Snapshot, keep: int | None) -> list[Artefact]:
    revisions: defaultdict[str, list[Artefact]] = defaultdict(list)
    for artefact in snapshot.revisions:
        revisions[artefact.folder].append(artefact)
    needed = {digest for artefact in snapshot.current for digest in _mentioned(artefact)}
    kept = []
    for artefacts in revisions.values():
        artefacts.sort(key=lambda a: (snapshot.entries[a.place].modified, a.place), reverse=True)
        kept += artefacts if keep is None else artefacts[:keep]
        kept += [artefact for artefact in artefacts if needed.intersection(artefact.own_digests)]
    return kept


def _never_garbage(artefact: Artefact) -> list[FileRef]:
    beginning = artefact.NEVER_GARBAGE
    return [ref for role, ref in artefact.manifest.files.items() if beginning and role.startswith(beginning)]


def _mentioned(artefact: Artefact) -> set[str]:
    return set(artefact.manifest.inputs.values())
