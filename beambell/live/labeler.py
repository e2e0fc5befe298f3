"""The labeler: rows of a micro-batch to votes, votes to probabilities, each label with the versions it came from."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import Floats, Integers, Mask, Packed
from beambell.live.folder import LiveFolder
from beambell.live.histories import OpenHistories
from beambell.live.models import LabelModels, Version
from beambell.live.reader import MicroBatch
from beambell.project import Project
from beambell.records import as_seen, row_schema
from beambell.stages.apply import active_lfs, lfs_digest
from beambell.stages.voting import Voting
from beambell.state import patterns as packed
from beambell.store import Layout, Partition

RAN = "batch.json"
"""File that says when the ordinary stages ran last: what is aggregated may have changed."""


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Labels of a micro-batch.

    Attributes
    ----------
    source
        The micro-batch.
    patterns
        Packed votes of all labeling functions, uint8 [n, width].
    proba
        Probability of each class, float64 [n, K].
    labels
        Number of the class of each row, -1 without one, int64 [n].
    covered
        Whether a vote counts for each row, bool [n].
    dts
        Date of each row's partition, string [n].
    version
        Label model.
    lfs
        Digest of the labeling functions that voted, 64 hex digits.
    reach
        Last day that stateful labeling functions knew of, by the date of the partition; ``None`` without history.
    labelled
        Time at which the labels were there, milliseconds since 1970.
    errors
        Number of rows on which each labeling function failed, by its name.
    """

    source: MicroBatch
    patterns: Packed
    proba: Floats
    labels: Integers
    covered: Mask
    dts: pa.Array
    version: Version
    lfs: str
    reach: dict[str, str | None]
    labelled: int
    errors: dict[str, int] = field(default_factory=dict)


class Labeler:
    """A project's labeling functions and label model, warm, for rows of any of its streams.

    Parameters
    ----------
    project
        Project whose labeling functions are loaded; they stay those of now until the job starts again.

    Attributes
    ----------
    names
        Names of the m labeling functions, in the order of the patterns' digits.
    lfs
        Digest of names and fingerprints of the labeling functions, 64 hex digits.
    """

    def __init__(self, project: Project) -> None:
        live = project.params.live
        self.names = tuple(project.catalogue.names)
        self.lfs = lfs_digest(active_lfs(project), project.params.cardinality)
        self._project = project
        self._functions = list(project.catalogue)
        self._voting = Voting(project, live.lf_time_limit_s)
        self._models = LabelModels(project, self.names, live.swap_s)
        self._histories = OpenHistories(project, self._functions)
        self._folder = LiveFolder(project.store.files, Layout.LIVE)
        self._epochs: dict[str, int] = {}
        self._looked, self._ran = 0.0, self._folder.read(RAN)

    def warm_up(self) -> None:
        """Vote once on a row of each stream, so that the first record does not wait for what is built but once.

        Raises
        ------
        LiveError
            If there is no label model.
        """
        self._models.get()
        for stream in self._project.params.live.streams:
            schema = row_schema(self._project.params.streams[stream])
            row = {field.name: None if field.name.startswith("_") else _sample(field.type) for field in schema}
            rows = pa.Table.from_pylist([row], schema).append_column("dt", pa.array(["2026-01-01"]))
            nothing = np.zeros(1, np.int64)
            self.label(MicroBatch(stream, "000", 0, 0, 0, rows, nothing, nothing, 0))

    def close(self) -> None:
        """End the processes in which functions in Python vote."""
        self._voting.voters.close()

    def label(self, batch: MicroBatch) -> LabelledBatch:
        """Label the rows of a micro-batch."""
        self._look_for_histories()
        n, errors, reach = batch.rows.num_rows, Counter[str](), {}
        patterns = np.zeros((n, packed.packed_width(len(self.names), self._project.params.cardinality)), np.uint8)
        dts, source = batch.rows["dt"].combine_chunks(), f"{batch.stream}/{batch.part}"
        if batch.epoch > self._epochs.get(source, 0):
            self._epochs[source] = batch.epoch
            self._histories.begin_anew(source)
        for dt in pc.unique(dts).to_pylist():
            at = np.flatnonzero(pc.equal(dts, dt).to_numpy(zero_copy_only=False))
            partition = Partition(batch.stream, dt)
            rows = batch.rows if len(at) == n else batch.rows.take(pa.array(at))
            seen = as_seen(rows.drop_columns(["dt"]), self._project.params.streams[batch.stream])
            seen, reach[dt] = self._histories.with_histories(seen, partition, source)
            cast = self._voting.vote(seen, self._functions, batch.stream)
            patterns[at] = cast.patterns
            errors.update(cast.errors)
        lookup = self._models.get()
        proba, labels, covered = lookup.of(patterns)
        return LabelledBatch(
            batch, patterns, proba, labels, covered, dts, lookup.version, self.lfs, reach,
            time.time_ns() // 1_000_000, {name: count for name, count in errors.items() if count},
        )  # fmt: skip

    def relabel(self, patterns: Packed) -> tuple[Floats, Integers, Version]:
        """Return what the label model in force says of some patterns: probabilities, labels, and its version."""
        lookup = self._models.get()
        proba, labels, _ = lookup.of(patterns)
        return proba, labels, lookup.version

    @property
    def model(self) -> str:
        """Name of the label model in force."""
        return self._models.get().version.name

    @property
    def trouble(self) -> str:
        """Reason why a newer label model could not be taken; empty if there is none."""
        return self._models.error

    def _look_for_histories(self) -> None:
        now = time.monotonic()
        if now - self._looked < self._project.params.live.swap_s:
            return
        self._looked, ran = now, self._folder.read(RAN)
        if ran != self._ran:
            self._ran = ran
            self._histories.forget()


def _sample(kind: pa.DataType) -> object:
    if pa.types.is_timestamp(kind):
        return 0
    return "" if pa.types.is_string(kind) else None
