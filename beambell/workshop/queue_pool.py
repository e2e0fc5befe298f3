"""What a review queue is drawn from: the vote patterns of the selected partitions, without a look at any row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from beambell.arrays import Floats, Integers, Mask, Packed
from beambell.artefacts.kinds import labels as kinds
from beambell.artefacts.kinds.votes import Votes
from beambell.errors import UsageError
from beambell.feedback import queue
from beambell.feedback.queue import Cells, Reason
from beambell.project import Project
from beambell.stages.posteriors import Posteriors, entropy
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import FileRef, Layout, Partition, Selection
from beambell.store.tables import read_table


@dataclass(frozen=True, eq=False)
class Source:
    """A partition that rows may be drawn from."""

    partition: Partition
    votes: FileRef
    rows: FileRef


@dataclass(frozen=True, eq=False)
class Pool:
    """All that is known of the rows without looking at one.

    Attributes
    ----------
    sources
        Partitions that rows may be drawn from.
    posteriors
        Label model, as a table of posteriors by pattern.
    patterns
        Distinct patterns of the LFs that the label model uses, packed, ascending, uint8 [p, width].
    proba
        Posteriors of the patterns, float64 [p, K].
    source, pattern
        Places of each cell's partition and pattern in ``sources`` and ``patterns``, int64 [c].
    cells
        Cells, one for each pattern of each partition: keys, numbers of rows, and rates of arrival.
    """

    sources: tuple[Source, ...]
    posteriors: Posteriors
    patterns: Packed
    proba: Floats
    source: Integers
    pattern: Integers
    cells: Cells

    @property
    def covered(self) -> Mask:
        """Whether a labeling function votes, [p]."""
        return np.asarray(self.patterns.any(axis=1))


def read_pool(project: Project, selection: Selection, shares: Mapping[Reason, float], warnings: list[str]) -> Pool:
    """Read the pattern counts of the selected partitions, and give every cell its rates.

    Parameters
    ----------
    shares
        Share of the queue for each reason to ask, in [0, 1].
    warnings
        List that a sentence is added to if partitions are left out.

    Raises
    ------
    UsageError
        If there is no row to ask about.
    """
    store = project.store
    model = store.require(Layout.LABEL_MODEL, "run `beambell fit`")
    posteriors = Posteriors(project)
    stored = store.partitions(Layout.PARTITIONS)
    sources, patterns_of, behind = [], [], 0
    for partition, votes in store.partitions(Layout.VOTES).items():
        if partition not in selection or partition.stream not in project.params.streams:
            continue
        rows = stored[partition].files["rows"] if partition in stored else None
        cast = Votes.of(votes)
        if rows is None or (cast.lfs_digest, cast.rows_digest) != (kinds.LabelModel.of(model).lfs_digest, rows.sha256):
            behind += 1
            continue
        sources.append(Source(partition, votes.files["votes"], rows))
        patterns_of.append((Layout.of(Layout.VOTES, partition), votes.files["patterns"]))
    tables = store.files.each(lambda place: read_table(store, *place), patterns_of)
    counts = [PatternCounts.from_table(table).restrict(posteriors.lfs) for table in tables]
    if behind:
        warnings.append(f"{behind} partitions are left out: their votes are older than their rows or the label model")
    if not sum(part.n_rows for part in counts):
        raise UsageError(
            "there is no row to ask about",
            fix="run `beambell run`, or widen --stream, --from and --to: `beambell status` says what there is",
        )
    patterns, at, _ = packed.unique(np.concatenate([part.packed for part in counts]))
    proba = posteriors.of(patterns)
    source = np.repeat(np.arange(len(counts)), [part.n_patterns for part in counts])
    keys = [queue.cell_keys(str(s.partition), part.packed) for s, part in zip(sources, counts, strict=True)]
    cells = queue.make_cells(
        np.concatenate(keys),
        np.concatenate([part.counts for part in counts]),
        entropy(proba)[at],
        np.asarray(patterns.any(axis=1))[at],
        shares,
    )
    return Pool(tuple(sources), posteriors, patterns, proba, source.astype(np.int64), at, cells)
