"""What a labeling function failed on, from the dead letters of the votes that are stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow.compute as pc

from beambell.artefacts.kinds.votes import Votes
from beambell.project import Project
from beambell.store import Layout, Partition
from beambell.store.tables import read_table
from beambell.workshop.sample import harmless

Letter = Mapping[str, str]


@dataclass(frozen=True)
class LFError:
    """One distinct error of a labeling function.

    Attributes
    ----------
    error, message
        Type and text of the exception; one of the texts, where they differ from row to row.
    rows
        Number of rows that it failed on.
    partition, id
        The newest partition with it, and a row there.
    traceback
        File, line, function and code of every frame of the user's code; empty where there is none.
    fingerprint
        The version of the labeling function that was applied.
    """

    error: str
    message: str
    rows: int
    partition: str
    id: str
    traceback: str
    fingerprint: str


@dataclass
class _Found:
    """An error as it is added up: its newest row comes first."""

    partition: Partition
    letter: Letter
    traceback: str
    rows: int = 0


def errors_of(project: Project, name: str) -> tuple[LFError, ...]:
    """Return the distinct errors among the stored votes of a labeling function, newest first.

    A message may quote its row. So rows count as one error if all that is known of exceptions of that type is one
    traceback; else if their messages are the same.
    """
    letters = list(_letters(project, name))
    traces: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for _, letter in letters:
        if letter["traceback"]:
            traces[letter["fingerprint"], letter["error"]].add(letter["traceback"])
    found: dict[tuple[str, str, str], _Found] = {}
    for partition, letter in letters:
        known = traces[letter["fingerprint"], letter["error"]]
        traceback = next(iter(known)) if len(known) == 1 else letter["traceback"]
        told_apart_by = traceback if len(known) == 1 else letter["message"]
        key = letter["fingerprint"], letter["error"], told_apart_by
        one = found.setdefault(key, _Found(partition, letter, traceback))
        one.rows += 1
        one.traceback = one.traceback or traceback
    return tuple(_as_error(one) for one in found.values())


def _letters(project: Project, name: str) -> Iterator[tuple[Partition, Letter]]:
    """Yield the dead letters of a labeling function with their partition, newest partition first."""
    votes = Votes.each(project.store)
    for partition in sorted(votes, key=lambda partition: (partition.dt, partition.stream), reverse=True):
        if any(lf.name == name and lf.errors for lf in votes[partition].lfs):
            ref = votes[partition].manifest.files["dead_letters"]
            table = read_table(project.store, Layout.of(Layout.VOTES, partition), ref)
            for letter in table.filter(pc.equal(table["lf"], name)).to_pylist():
                yield partition, letter


def _as_error(found: _Found) -> LFError:
    letter = found.letter
    return LFError(
        error=letter["error"],
        message=harmless(letter["message"]),
        rows=found.rows,
        partition=str(found.partition),
        id=letter["id"],
        traceback=found.traceback,
        fingerprint=letter["fingerprint"],
    )
