"""Apply: all labeling functions over partitions; votes, pattern counts and dead letters out.

``python -m beam_jobs.apply_lfs --project DIR``
"""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import apache_beam as beam
import numpy as np
import pyarrow as pa

from beam_jobs.main import main
from beam_jobs.pipeline import ProjectFn, Spread, counters, new_pipeline, run_pipeline
from beam_jobs.shards import Shard, ahead, read_shards, row_items, stage_shard
from beambell.arrays import Packed
from beambell.artefacts.kinds.votes import Votes
from beambell.errors import CatalogueError
from beambell.labeling import LabelingFunction, StatefulFunction
from beambell.labeling.apart import Voters
from beambell.labeling.compiler import compile_lfs
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.labeling.python import Scripted
from beambell.project import Project
from beambell.records import as_seen, stored_names
from beambell.stages.apply import (
    REUSE_NONE,
    STAGE,
    VotesWork,
    files_read,
    find_work,
    lost_records,
    publish_votes,
    record_sources,
    stage_pasts,
    votes_schema,
)
from beambell.stages.damage import sound_work
from beambell.stages.order import stage_named
from beambell.stages.past import Pasts
from beambell.stages.stage import Outcome, Plan, some_of
from beambell.stages.voting import Columns, Voting
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import iter_tables, read_rows, read_staged, row_groups, write_tables

Item = tuple[VotesWork, int, int, int]

VOTES, ERRORS, MICROSECONDS = "lf_votes", "lf_errors", "lf_microseconds"
"""Namespaces of the job's counters; each has one for every labeling function that ran, by its name."""

SEARCHED = "lf_rows_searched_by_re"
"""Namespace of those of the functions that no automaton can hold."""

MOST_ADDENDS = 16
"""Pattern counts of ranges of rows that are kept apart before they are added up: adding many at once costs less."""

SLOW_S = 10.0
"""Seconds of the workers' time from which on one labeling function that takes most of a job is worth a warning."""


def run(project: Project, plan: Plan[list[VotesWork]]) -> Outcome:
    """Vote on what is new or changed, and publish each partition's votes."""
    metrics: dict[str, dict[str, int]] = {}
    opened: Mapping[str, Collection[str]] = {}
    work, current, job = plan.work, plan.current, uuid.uuid4().hex
    pasts = Pasts(project)
    if not all(pasts.are_known(item.partition) for item in work):  # this stage runs on its own
        stage_named("aggregate").refresh(project, plan.selection)
        work, current = find_work(project, plan.selection)
    sound = sound_work(project, stage_pasts(project, work, job), files_read)
    if sound.work or lost_records(project):
        record_sources(project)
    if sound.work:
        with ApplyLFs.voting(project, sound.work) as voters:
            metrics = counters(run_pipeline(project, job, build(project, sound.work, job)))
            opened = voters.opened
    return sound.told(_outcome(project, sound.work, current, metrics, opened))


def build(project: Project, work: list[VotesWork], job: str) -> beam.Pipeline:
    """Build the pipeline: row ranges to shards and their counts, both gathered per partition, partitions published."""
    folder = str(project.path)
    items: list[Item] = row_items(work, lambda item: item.rows, project.params.beam.rows_per_item)
    pipeline = new_pipeline(project.params.beam)
    (
        pipeline
        | "RowRanges" >> Spread(items)
        | "ApplyLFs" >> beam.ParDo(ApplyLFs(folder, job)).with_output_types(tuple[str, Voted])
        | "ByPartition" >> beam.CombinePerKey(GatherVotes())
        | "PublishVotes" >> beam.ParDo(PublishVotes(folder, job, {str(item.partition): item for item in work}))
    )
    return pipeline


class ApplyLFs(ProjectFn):
    """Evaluate the LFs that a range of rows lacks, and carry over the votes it has."""

    _starting = threading.Lock()
    _votings: ClassVar[WeakKeyDictionary[Project, Voting]] = WeakKeyDictionary()

    @staticmethod
    @contextmanager
    def voting(project: Project, work: Sequence[VotesWork]) -> Iterator[Voters]:
        """Have processes ready for what is written in Python, if that is to vote, and end them afterwards.

        A worker elsewhere starts its own; they end with it.
        """
        voting = ApplyLFs._votings[project] = Voting(project)
        voters = voting.voters
        ran = {name for item in work for name in _names_that_ran(item)}
        if any(isinstance(project.catalogue[name], Scripted) for name in ran):
            voters.start(min(project.params.beam.workers, len(work)))
        try:
            yield voters
        finally:
            voters.close()
            del ApplyLFs._votings[project]

    def setup(self) -> None:
        """Open the project and load its labeling functions, once per worker."""
        super().setup()
        self._catalogue = self.catalogue()

    def work(self, item: Item) -> Iterator[tuple[str, Voted]]:
        """Yield the votes by their partition."""
        work, index, start, stop = item
        lfs = {j: self._lf(work, j) for j, column in enumerate(work.reuse) if column == REUSE_NONE}
        cast, letters = self._vote(work, lfs.values(), start, stop)
        codes = self._carry_over(work, start, stop, list(lfs), cast)
        patterns = pa.table({"pattern": packed.to_arrow(codes)})
        shard = stage_shard(self.project.store, f"{self._job}/{work.partition}", index, patterns)
        count = PatternCounts.from_packed if work.previous else PatternCounts.of_packed  # a file may hold anything
        counts = count(codes, self.project.params.cardinality, [lf.name for lf in work.lfs])
        yield str(work.partition), Voted((counts,), (shard,), (letters,) if letters.num_rows else ())

    def _carry_over(self, work: VotesWork, start: int, stop: int, new: list[int], cast: Packed) -> Packed:
        """Put the new votes of r LFs together with those of the LFs that are unchanged."""
        cardinality, m = self.project.params.cardinality, len(work.lfs)
        if not work.previous or len(new) == m:
            return cast
        L = packed.unpack(cast, len(new), cardinality) if new else np.empty((stop - start, 0), np.int8)
        folder = Layout.of(Layout.VOTES, work.partition)
        before = read_rows(self.project.store, folder, work.previous, start, stop, ["pattern"])
        codes = packed.from_arrow(before["pattern"])
        if all(column in (j, REUSE_NONE) for j, column in enumerate(work.reuse)) and work.previous_lfs == m:
            return packed.replace(codes, new, L, m, cardinality)
        old = packed.unpack(codes, work.previous_lfs, cardinality)
        votes = np.take(old, work.reuse, axis=1)
        votes[:, new] = L
        return packed.pack(votes, cardinality)

    def _vote(
        self, work: VotesWork, lfs: Collection[LabelingFunction], start: int, stop: int
    ) -> tuple[Packed, pa.Table]:
        """Let some LFs vote; return their votes and dead letters."""
        if not lfs:
            return np.empty((stop - start, 0), np.uint8), DEAD_LETTERS_SCHEMA.empty_table()
        voting, stream = self._voting(), work.partition.stream
        rows = self._with_past(work, lfs, self._read(work, start, stop, voting.columns(lfs, stream)))
        cast = voting.vote(rows, lfs, stream)
        for lf in lfs:
            self.count(ERRORS, lf.name, cast.errors[lf.name])
            self.count(MICROSECONDS, lf.name, round(cast.seconds[lf.name] * 1e6))
        for name in cast.searched:
            self.count(SEARCHED, name, stop - start)
        return cast.patterns, cast.letters

    def _voting(self) -> Voting:
        """Return the labeling functions of this worker's project, ready to vote."""
        with ApplyLFs._starting:
            if self.project not in ApplyLFs._votings:
                ApplyLFs._votings[self.project] = Voting(self.project)
            return ApplyLFs._votings[self.project]

    def _with_past(self, work: VotesWork, lfs: Iterable[LabelingFunction], rows: pa.Table) -> pa.Table:
        """Add the past of each row's key, for each stateful LF: of the pieces of a past, one is held at a time."""
        for lf in lfs:
            if isinstance(lf, StatefulFunction) and lf.name in work.staged:
                past = (read_staged(self.project.store, path) for path in work.staged[lf.name])
                rows = lf.with_past(rows, past, work.partition.stream)
        return rows

    def _lf(self, work: VotesWork, j: int) -> LabelingFunction:
        wanted = work.lfs[j]
        if self._catalogue.fingerprints.get(wanted.name) != wanted.fingerprint:
            raise CatalogueError(
                "this worker has another version of the labeling function than the driver",
                where=wanted.name,
                fix="deploy the same code to every worker, then run again",
            )
        return self._catalogue[wanted.name]

    def _read(self, work: VotesWork, start: int, stop: int, columns: Columns) -> pa.Table:
        folder = Layout.of(Layout.PARTITIONS, work.partition)
        stream = self.project.params.streams[work.partition.stream]
        rows = read_rows(
            self.project.store,
            folder,
            work.rows,
            start,
            stop,
            None if columns.read is None else stored_names(columns.read, stream),
            as_dictionaries={*stored_names(columns.looked_up, stream)} - {*stored_names(columns.searched, stream)},
        )
        return as_seen(rows, stream)


@dataclass(frozen=True)
class Voted:
    """What the job knows of the votes on some ranges of rows of a partition.

    Attributes
    ----------
    counts
        Their pattern counts, some of them not added up yet.
    shards
        Staged patterns.
    letters
        Dead letters, a table for each range that has any.
    """

    counts: tuple[PatternCounts, ...] = ()
    shards: tuple[Shard, ...] = ()
    letters: tuple[pa.Table, ...] = ()

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return sum(counts.packed.nbytes + counts.counts.nbytes for counts in self.counts)


class VotedCoder(beam.coders.Coder):
    """Pickles, but not merely to see how long that would be, as Beam's own does for one in two elements."""

    def encode(self, value: Voted) -> bytes:
        """Write."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Voted:
        """Read what a worker of this job wrote."""
        voted: Voted = pickle.loads(encoded)  # noqa: S301
        return voted

    def estimate_size(self, value: Voted) -> int:
        """Look at it without writing it."""
        return value.nbytes

    def is_deterministic(self) -> bool:
        """Say no: it is never a key."""
        return False


beam.coders.registry.register_coder(Voted, VotedCoder)


@beam.typehints.with_input_types(Voted)
@beam.typehints.with_output_types(Voted)
class GatherVotes(beam.CombineFn):
    """The group of pattern counts as Beam sees it: an identity and an addition, put off until there are some to add."""

    def create_accumulator(self) -> Voted:
        """Start from nothing: which LFs there are, the first input knows."""
        return Voted()

    def add_input(self, accumulator: Voted, voted: Voted) -> Voted:
        """Add the votes on one range of rows."""
        return self.merge_accumulators([accumulator, voted])

    def merge_accumulators(self, accumulators: Iterable[Voted]) -> Voted:
        """Add those of several workers."""
        parts = list(accumulators)
        gathered = Voted(
            tuple(counts for part in parts for counts in part.counts),
            tuple(shard for part in parts for shard in part.shards),
            tuple(letters for part in parts for letters in part.letters),
        )
        return self.compact(gathered, MOST_ADDENDS)

    def compact(self, accumulator: Voted, most: int = 1) -> Voted:
        """Add up, so that patterns that several ranges share take room once."""
        if len(accumulator.counts) <= most:
            return accumulator
        return replace(accumulator, counts=(PatternCounts.sum(accumulator.counts),))

    def extract_output(self, accumulator: Voted) -> Voted:
        """Give the sum."""
        return self.compact(accumulator)

    def get_accumulator_coder(self) -> beam.coders.Coder:
        """Name the coder that does not pickle to see how long that would be."""
        return VotedCoder()


class PublishVotes(ProjectFn):
    """Join the shards of one partition and publish its votes."""

    waits = True

    def __init__(self, folder: str, job: str, work: dict[str, VotesWork]) -> None:
        super().__init__(folder, job)
        self._work = work

    def work(self, element: tuple[str, Voted]) -> None:
        """Publish one partition."""
        key, voted = element
        work, (counts,) = self._work[key], voted.counts
        # Ids are taken from the rows when the votes are written: no function that is compiled asks for them.
        rows = iter_tables(self.project.store, Layout.of(Layout.PARTITIONS, work.partition), work.rows, ["id"])
        patterns = read_shards(self.project.store, voted.shards)
        with self.project.store.seal(Layout.of(Layout.VOTES, work.partition), "votes") as sealed:
            write_tables(sealed, votes_schema(len(work.lfs), counts.cardinality), ahead(_side_by_side(rows, patterns)))
        letters = pa.concat_tables([DEAD_LETTERS_SCHEMA.empty_table(), *voted.letters])
        manifest = publish_votes(self.project, work, sealed.ref, counts, letters)
        ran = _names_that_ran(work)
        for lf in Votes.of(manifest).lfs:
            if lf.name in ran:
                self.count(VOTES, lf.name, lf.votes)


def _side_by_side(*parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put the columns of equally many rows together, wherever each is cut."""
    for groups in zip(*map(row_groups, parts), strict=True):
        columns = [
            (field, column) for group in groups for field, column in zip(group.schema, group.columns, strict=True)
        ]
        yield pa.table([column for _, column in columns], schema=pa.schema([field for field, _ in columns]))


def _outcome(
    project: Project,
    work: list[VotesWork],
    current: int,
    metrics: Mapping[str, Mapping[str, int]],
    opened: Mapping[str, Collection[str]],
) -> Outcome:
    folders = [Layout.of(Layout.VOTES, item.partition) for item in work]
    cast = [Votes.of(manifest) for manifest in project.store.require_each(folders, "run apply again")]
    figures: dict[str, Any] = {
        "rows": sum(votes.rows for votes in cast),
        "covered": sum(votes.covered for votes in cast),
        "conflicts": sum(votes.conflicts for votes in cast),
        "dead_letters": sum(votes.dead_letters for votes in cast),
    }
    if work:
        figures["voted"] = _who_voted(work)
    warnings = [*project.remarks, *_opened(project, opened), *_edited(project)]
    warnings += [
        f"{item.partition}: {lf.name} failed on {lf.errors} rows (see `beambell lf show {lf.name}`)"
        for item, votes in zip(work, cast, strict=True)
        for lf in votes.lfs
        if lf.errors
    ]
    warnings += _searched_by_re(project, work) if SEARCHED in metrics else []
    warnings += _slow(metrics.get(MICROSECONDS, {}))
    kinds = {"votes": VOTES, "errors": ERRORS, "microseconds": MICROSECONDS}
    lfs = {
        name: {kind: metrics[space].get(name, 0) for kind, space in kinds.items()} for name in metrics.get(VOTES, {})
    }
    return Outcome(STAGE, len(work), current, figures, tuple(warnings), {"lfs": lfs})


def _opened(project: Project, opened: Mapping[str, Collection[str]]) -> list[str]:
    """Say what labeling functions opened while they voted, where their source did not tell."""
    return [
        f"{name} opened {some_of(sorted(what))} while it voted: that is no part of its fingerprint, so a change of it "
        "is not noticed; hand a file over: resources={...: Resource(file)}"
        for name, what in sorted(opened.items())
        if not any(f"{name} vote" in remark for remark in project.remarks)
    ]


def _edited(project: Project) -> list[str]:
    """Say which files of labeling functions were changed while these votes were cast."""
    return [
        f"{name} was changed while this ran: these votes are those of what it said before; run again"
        for name in project.catalogue.changed_files()
    ]


def _who_voted(work: Iterable[VotesWork]) -> str:
    """Name the LFs that ran: after an edit one, after a removal none."""
    there = {lf.name for item in work for lf in item.lfs}
    ran = sorted({name for item in work for name in _names_that_ran(item)})
    if len(ran) == len(there):
        return f"all {len(there)} LFs"
    return f"{some_of(ran) or 'none'} of {len(there)} LFs"


def _searched_by_re(project: Project, work: Iterable[VotesWork]) -> list[str]:
    """Name the LFs that ran and that no automaton can hold: their regex is searched in every row by Python."""
    # The very sets that the workers compiled: their automata are in the cache.
    sets = {(item.partition.stream, _names_that_ran(item)) for item in work}
    why: dict[str, str] = {}
    for stream, names in sorted(sets):
        lfs = [project.catalogue[name] for name in names]
        plans = compile_lfs(lfs, cache_dir=project.volatile / "compiled").explain(stream)
        why |= {plan.lf: plan.why for plan in plans if plan.how == "re"}
    return [f"{name} is searched by `re` in every row: {reason}" for name, reason in sorted(why.items())]


def _names_that_ran(work: VotesWork) -> tuple[str, ...]:
    return tuple(lf.name for lf, column in zip(work.lfs, work.reuse, strict=True) if column == REUSE_NONE)


def _slow(microseconds: Mapping[str, int]) -> list[str]:
    total = sum(microseconds.values())
    return [
        f"{name} takes {share / total:.0%} of the time of all labeling functions (see `beambell lf list`)"
        for name, share in microseconds.items()
        if share > SLOW_S * 1e6 and share > total / 2
    ]


if __name__ == "__main__":
    main("beam_jobs.apply_lfs")
