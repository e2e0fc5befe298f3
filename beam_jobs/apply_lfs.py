"""Apply: all labeling functions over partitions; votes, pattern counts and dead letters out.

``python -m beam_jobs.apply_lfs --project DIR``
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import apache_beam as beam
import pyarrow as pa

from beam_jobs.main import main
from beam_jobs.pipeline import ProjectFn, Spread, counters, new_pipeline, run_pipeline
from beam_jobs.shards import RowRange, Shard, ahead, read_shards, row_ranges, stage_shard
from beambell.artefacts.kinds.votes import Votes
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.labeling.python import Scripted
from beambell.project import Project
from beambell.stages.apply import (
    VotesWork,
    files_read,
    find_work,
    lost_records,
    publish_votes,
    record_sources,
    stage_pasts,
    votes_schema,
)
from beambell.stages.apply_outcome import ERRORS, MICROSECONDS, SEARCHED, VOTES, outcome
from beambell.stages.damage import sound_work
from beambell.stages.histories import Histories
from beambell.stages.order import stage_named
from beambell.stages.row_votes import RowVotes
from beambell.stages.stage import Outcome, Plan
from beambell.stages.voting import Voting
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import FileRef, Layout
from beambell.store.tables import iter_tables, row_groups, write_tables

MOST_ADDENDS = 16
"""Pattern counts of ranges of rows that are kept apart before they are added up: adding many at once costs less."""


def run(project: Project, plan: Plan[list[VotesWork]]) -> Outcome:
    """Vote on what is new or changed, and publish each partition's votes."""
    metrics: dict[str, dict[str, int]] = {}
    opened: Mapping[str, Collection[str]] = {}
    work, current, job = plan.work, plan.current, uuid.uuid4().hex
    histories = Histories(project)
    if not all(histories.are_known(item.partition) for item in work):  # this stage runs on its own
        stage_named("aggregate").refresh(project, plan.selection)
        work, current = find_work(project, plan.selection)
    sound = sound_work(project, stage_pasts(project, work, job), files_read)
    if sound.work or lost_records(project):
        record_sources(project)
    if sound.work:
        with Voting.begun(project, _processes(project, sound.work)) as voters:
            metrics = counters(run_pipeline(project, job, build(project, sound.work, job)))
            opened = voters.opened
    return sound.with_warnings(outcome(project, sound.work, current, metrics, opened))


def build(project: Project, work: list[VotesWork], job: str) -> beam.Pipeline:
    """Build the pipeline: row ranges to shards and their counts, both gathered per partition, partitions published."""
    folder = str(project.path)
    items = row_ranges(work, lambda item: item.rows, project.params.beam.rows_per_item)
    pipeline = new_pipeline(project.params.beam)
    (
        pipeline
        | "RowRanges" >> Spread(items)
        | "ApplyLFs" >> beam.ParDo(ApplyLFs(folder, job)).with_output_types(tuple[str, Voted])
        | "ByPartition" >> beam.CombinePerKey(GatherVotes())
        | "PublishVotes" >> beam.ParDo(PublishVotes(folder, job, {str(item.partition): item for item in work}))
    )
    return pipeline


def _processes(project: Project, work: Sequence[VotesWork]) -> int:
    """Count the processes to start at once: none, if nothing that is written in Python is to vote."""
    in_python = any(isinstance(project.catalogue[name], Scripted) for item in work for name in item.to_run)
    return min(project.params.beam.workers, len(work)) if in_python else 0


class ApplyLFs(ProjectFn):
    """Evaluate the LFs that a range of rows lacks, and carry over the votes it has."""

    def setup(self) -> None:
        """Open the project and load its labeling functions, once per worker."""
        super().setup()
        self.catalogue()
        self._votes = RowVotes(self.project, Voting.shared(self.project))

    def work(self, item: RowRange[VotesWork]) -> Iterator[tuple[str, Voted]]:
        """Yield the votes by their partition."""
        work = item.work
        cast = self._votes.cast(work, item.start, item.stop)
        for name in work.to_run:
            self.count(ERRORS, name, cast.errors[name])
            self.count(MICROSECONDS, name, round(cast.seconds[name] * 1e6))
        for name in cast.searched:
            self.count(SEARCHED, name, item.stop - item.start)
        patterns = pa.table({"pattern": packed.to_arrow(cast.patterns)})
        part = (
            write_votes(self.project, work, [patterns])
            if item.is_whole
            else stage_shard(self.project.store, f"{self._job}/{work.partition}", item.index, patterns)
        )
        counts = self._votes.count(work, cast.patterns)
        yield str(work.partition), Voted((counts,), (part,), (cast.letters,) if cast.letters.num_rows else ())


@dataclass(frozen=True)
class Voted:
    """What the job knows of the votes on some ranges of rows of a partition.

    Attributes
    ----------
    counts
        Pattern counts of the ranges, some of them not added up yet.
    parts
        Staged patterns of each range; or the file of the partition's votes, if one range has all of its rows.
    letters
        Dead letters, a table for each range that has any.
    """

    counts: tuple[PatternCounts, ...] = ()
    parts: tuple[Shard | FileRef, ...] = ()
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
        several = list(accumulators)
        gathered = Voted(
            tuple(counts for voted in several for counts in voted.counts),
            tuple(part for voted in several for part in voted.parts),
            tuple(letters for voted in several for letters in voted.letters),
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
        written = [part for part in voted.parts if isinstance(part, FileRef)]
        shards = [part for part in voted.parts if isinstance(part, Shard)]
        votes = written[0] if written else write_votes(self.project, work, read_shards(self.project.store, shards))
        letters = pa.concat_tables([DEAD_LETTERS_SCHEMA.empty_table(), *voted.letters])
        manifest = publish_votes(self.project, work, votes, counts, letters)
        for lf in Votes.of(manifest).lfs:
            if lf.name in work.to_run:
                self.count(VOTES, lf.name, lf.votes)


def write_votes(project: Project, work: VotesWork, patterns: Iterable[pa.Table]) -> FileRef:
    """Write the file of a partition's votes.

    Ids are taken from the rows only now: no function that is compiled asks for them.
    """
    store, schema = project.store, votes_schema(len(work.lfs), project.params.cardinality)
    rows = iter_tables(store, Layout.of(Layout.PARTITIONS, work.partition), work.rows, ["id"])
    with store.seal(Layout.of(Layout.VOTES, work.partition), "votes") as sealed:
        write_tables(sealed, schema, ahead(_side_by_side(rows, patterns)))
    return sealed.ref


def _side_by_side(*parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put the columns of equally many rows together, wherever each is cut."""
    for groups in zip(*map(row_groups, parts), strict=True):
        columns = [
            (field, column) for group in groups for field, column in zip(group.schema, group.columns, strict=True)
        ]
        yield pa.table([column for _, column in columns], schema=pa.schema([field for field, _ in columns]))


if __name__ == "__main__":
    main("beam_jobs.apply_lfs")
