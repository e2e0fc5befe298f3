"""What merge needs to know of every partition's votes, without reading every manifest every time.

A long history is thousands of manifests, and a new day changes a few. The index sums up the votes of each list of
partitions (`beambell.artefacts.state_partitions`: a stream's month): as long as no manifest in it is published again,
which its stamps tell, none of them is read. It is a cache below ``.beambell/``, safe to delete.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from beambell.artefacts.kinds.votes import Votes
from beambell.artefacts.state_partitions import StatePartition, list_bytes, list_name
from beambell.project import Project
from beambell.store import Layout, Manifest, Partition, Store
from beambell.store.cache import Cache

VERSION = 2


@dataclass(frozen=True)
class Voted:
    """Votes of one partition.

    Attributes
    ----------
    lfs
        Digest of the LFs that cast them.
    revision
        Member that the state would count.
    """

    lfs: str
    revision: StatePartition


@dataclass(frozen=True)
class VotedList:
    """Votes of the partitions of one list, summed up.

    Attributes
    ----------
    first, last
        Earliest and latest ``dt`` of the list.
    count
        Number of partitions.
    lfs
        Digest of the LFs that cast all of them; empty if not all are of the same.
    sha256
        Digest of the list of these members.
    """

    first: str
    last: str
    count: int
    lfs: str
    sha256: str
    _store: Store = field(repr=False)
    _stamps: Mapping[str, str] = field(repr=False)

    @cached_property
    def votes(self) -> dict[Partition, Voted]:
        """By partition, in order; read when asked for."""
        return _read(self._store, self._stamps)


def read_votes(project: Project) -> dict[str, VotedList]:
    """Sum up the votes there are of the project's streams, by list of members."""
    store = project.store
    known = Cache(project.volatile, "votes-index", about=f"{VERSION} {store.files.root}")
    found = {}
    for name, stamps in _stamps(project).items():
        stamp = hashlib.sha256(repr(stamps).encode()).hexdigest()
        summary = known.get(name, stamp)
        if summary is None:
            summary = _sum_up(_read(store, stamps))
            known.put(name, stamp, summary)
        if summary["count"]:
            found[name] = VotedList(**summary, _store=store, _stamps=stamps)
    known.save(keep=found)
    return found


def _stamps(project: Project) -> dict[str, dict[str, str]]:
    """Stamps of the manifests by folder, for each list. There may be thousands, so their names are merely cut."""
    start, lists = f"{Layout.VOTES}/stream=", defaultdict[str, dict[str, str]](dict)
    for folder, stamp in project.store.stamps(Layout.VOTES).items():
        stream, _, dt = folder.removeprefix(start).partition("/dt=")
        if stream in project.params.streams:
            lists[list_name(stream, dt)][folder] = stamp
    return lists


def _sum_up(votes: Mapping[Partition, Voted]) -> dict[str, str | int]:
    lfs = {voted.lfs for voted in votes.values()}
    return {
        "first": min((p.dt for p in votes), default=""),
        "last": max((p.dt for p in votes), default=""),
        "count": len(votes),
        "lfs": lfs.pop() if len(lfs) == 1 else "",
        "sha256": hashlib.sha256(list_bytes({p: voted.revision for p, voted in votes.items()})).hexdigest(),
    }


def _read(store: Store, stamps: Mapping[str, str]) -> dict[Partition, Voted]:
    manifests = store.read_many(stamps)
    return {Partition.from_folder(folder): _voted(manifest) for folder, manifest in manifests.items()}


def _voted(manifest: Manifest) -> Voted:
    files, cast = manifest.files, Votes.of(manifest)
    return Voted(cast.lfs_digest, StatePartition(files["patterns"], files["votes"].sha256, cast.rows))
