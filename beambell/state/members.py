"""Who is in the state: a set of partition revisions, kept in lists that most merges do not touch.

A list holds the members of one stream and month (for hours, of one day; for months, of one year). Lists have
content-hash names, so a merge writes the one list that changed, and thousands of states of the past share theirs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from beambell.store import FileRef, Layout, Manifest, Partition, Store, canonical_json

ROLE = Layout.MEMBERS


@dataclass(frozen=True)
class Member:
    """One revision of a partition, as the state counts it.

    Attributes
    ----------
    patterns
        Its file of pattern counts.
    votes
        Digest of its file of votes.
    rows
        How many rows it has.
    """

    patterns: FileRef
    votes: str
    rows: int


Members = dict[Partition, Member]


def read_members(store: Store, state: Manifest, folder: str = Layout.STATE) -> Members:
    """List the partitions that a state, current or past, is the sum of.

    Raises
    ------
    ArtefactError
        If a list of them is missing, or was changed.
    """
    members = {}
    for role, ref in state.files.items():
        if role.startswith(f"{ROLE}/"):
            for key, entry in json.loads(store.get(folder, ref)).items():
                patterns = FileRef(**entry["patterns"])
                members[Partition(*key.split("/"))] = Member(patterns, entry["votes"], entry["rows"])
    return dict(sorted(members.items()))


def write_members(
    store: Store, members: Mapping[Partition, Member], before: Manifest | None, known: Mapping[Partition, Member]
) -> dict[str, FileRef]:
    """Write the lists that differ from those of the state before, and name all of them by role."""
    lists, old = _lists(members), _lists(known)
    files = {}
    for role, entries in sorted(lists.items()):
        if before is not None and role in before.files and old.get(role) == entries:
            files[role] = before.files[role]
        else:
            tree = {str(partition): asdict(member) for partition, member in entries.items()}
            files[role] = store.put(Layout.STATE, ROLE, ".json", canonical_json(tree))
    return files


def _lists(members: Mapping[Partition, Member]) -> dict[str, Members]:
    lists: defaultdict[str, Members] = defaultdict(dict)
    for partition, member in members.items():
        wider = partition.dt.replace("T", "-").rpartition("-")[0]
        lists[f"{ROLE}/{partition.stream}/{wider}"][partition] = member
    return dict(lists)
