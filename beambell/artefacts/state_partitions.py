"""Who is in the state: a set of partition revisions, kept in lists that most merges neither write nor read.

A list holds the members of one stream and month (for hours, of one day; for months, of one year). Lists have
content-hash names: a merge writes the one list that changed, thousands of states of the past share theirs, and two
lists are compared by their digests.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from beambell.store import FileRef, Layout, Manifest, Partition, Store, canonical_json

ROLE = Layout.STATE_PARTITIONS


@dataclass(frozen=True)
class StatePartition:
    """One revision of a partition, as the state counts it.

    Attributes
    ----------
    patterns
        File of the partition's pattern counts.
    votes
        Digest of its file of votes.
    rows
        Number of rows in the partition.
    """

    patterns: FileRef
    votes: str
    rows: int


StatePartitions = dict[Partition, StatePartition]


def list_name(stream: str, dt: str) -> str:
    """Name the list that holds a partition: ``comments/2026-01``."""
    wider = dt.replace("T", "-").rpartition("-")[0]
    return f"{stream}/{wider}"


def list_bytes(partitions: StatePartitions) -> bytes:
    """Spell a list as its file does."""
    return canonical_json({str(partition): asdict(revision) for partition, revision in partitions.items()})


def lists_of(state: Manifest | None) -> dict[str, FileRef]:
    """Return the files of the lists of a state, by the lists' names."""
    files = state.files if state else {}
    return {role.removeprefix(f"{ROLE}/"): ref for role, ref in files.items() if role.startswith(f"{ROLE}/")}


def read_list(store: Store, ref: FileRef, folder: str = Layout.STATE) -> StatePartitions:
    """Read one list.

    Raises
    ------
    ArtefactError
        If it is missing, or was changed.
    """
    return {
        Partition(*key.split("/")): StatePartition(FileRef(**entry["patterns"]), entry["votes"], entry["rows"])
        for key, entry in json.loads(store.get(folder, ref)).items()
    }


def read_partitions(store: Store, state: Manifest, folder: str = Layout.STATE) -> StatePartitions:
    """List the partitions that a state, current or past, is the sum of.

    Raises
    ------
    ArtefactError
        If a list of them is missing, or was changed.
    """
    lists = (read_list(store, ref, folder) for ref in lists_of(state).values())
    return dict(sorted((partition, revision) for partitions in lists for partition, revision in partitions.items()))


def write_list(store: Store, partitions: StatePartitions, before: FileRef | None) -> FileRef:
    """Write one list, unless it is what it was."""
    data = list_bytes(partitions)
    if before is not None and hashlib.sha256(data).hexdigest() == before.sha256:
        return before
    return store.put(Layout.STATE, ROLE, ".json", data)
