"""Label: probabilistic labels per partition, looked up by vote pattern.

``python -m beam_jobs.label --project DIR``
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator

import apache_beam as beam
import pyarrow as pa

from beam_jobs.main import main
from beam_jobs.pipeline import ProjectFn, Spread, new_pipeline, run_pipeline
from beam_jobs.shards import RowRange, Shard, ahead, read_shards, row_ranges, stage_shard
from beambell.artefacts.kinds.labels import Candidates
from beambell.artefacts.label_files import labels_schema
from beambell.project import Project
from beambell.stages.damage import sound_work
from beambell.stages.label import (
    STAGE,
    LabelWork,
    files_read,
    publish_candidate,
    read_answers,
)
from beambell.stages.posteriors import Posteriors, labels_table
from beambell.stages.stage import Outcome, Plan
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import read_rows, write_tables


def run(project: Project, plan: Plan[list[LabelWork]]) -> Outcome:
    """Label what has new votes, new feedback or a new label model, as candidates for the gate."""
    sound = sound_work(project, plan.work, files_read)
    if sound.work:
        job = uuid.uuid4().hex
        run_pipeline(project, job, build(project, sound.work, job))
    return sound.with_warnings(_outcome(project, sound.work, plan.current))


def build(project: Project, work: list[LabelWork], job: str) -> beam.Pipeline:
    """Build the pipeline: row ranges to shards, shards joined per partition, partitions published."""
    folder = str(project.path)
    items = row_ranges(work, lambda item: item.votes, project.params.beam.rows_per_item)
    pipeline = new_pipeline(project.params.beam)
    (
        pipeline
        | "RowRanges" >> Spread(items)
        | "Label" >> beam.ParDo(Label(folder, job))
        | "ByPartition" >> beam.GroupByKey()
        | "PublishCandidate" >> beam.ParDo(PublishCandidate(folder, job, {str(item.partition): item for item in work}))
    )
    return pipeline


class LabellingFn(ProjectFn):
    """A DoFn that looks posteriors up."""

    waits = True

    def setup(self) -> None:
        """Open the project and read the label model's posteriors, once per worker."""
        super().setup()
        self.posteriors = Posteriors(self.project)

    def publish(self, work: LabelWork, labels: Iterable[pa.Table]) -> None:
        """Write the labels of one partition and publish them."""
        store, folder = self.project.store, Layout.of(Layout.CANDIDATES, work.partition)
        with store.seal(folder, "labels") as sealed:
            write_tables(sealed, labels_schema(self.posteriors.classes), labels)
        publish_candidate(self.project, work, sealed.ref, self.posteriors)


class Label(LabellingFn):
    """Label one range of rows."""

    def work(self, rows: RowRange[LabelWork]) -> Iterator[tuple[str, Shard]]:
        """Publish a partition that the range holds whole; yield (partition, shard) for any other."""
        work, store = rows.work, self.project.store
        votes = read_rows(store, Layout.of(Layout.VOTES, work.partition), work.votes, rows.start, rows.stop)
        answers = read_answers(self.project, work)
        labels = labels_table(votes["id"], packed.from_arrow(votes["pattern"]), self.posteriors, answers)
        if rows.is_whole:
            self.publish(work, [labels])
        else:
            yield str(work.partition), stage_shard(store, f"{self._job}/{work.partition}", rows.index, labels)


class PublishCandidate(LabellingFn):
    """Join the shards of one partition and publish its candidate labels."""

    def __init__(self, folder: str, job: str, work: dict[str, LabelWork]) -> None:
        super().__init__(folder, job)
        self._work = work

    def work(self, element: tuple[str, Iterable[Shard]]) -> None:
        """Publish one partition."""
        key, shards = element
        self.publish(self._work[key], ahead(read_shards(self.project.store, shards)))


def _outcome(project: Project, work: list[LabelWork], current: int) -> Outcome:
    figures: Counter[str] = Counter()
    folders = [Layout.of(Layout.CANDIDATES, item.partition) for item in work]
    for manifest in project.store.require_each(folders, "run label again"):
        labels = Candidates.of(manifest)
        figures.update({"rows": labels.rows, "unlabelled": labels.unlabelled, **labels.label_counts})
    return Outcome(STAGE, len(work), current, dict(figures))


if __name__ == "__main__":
    main("beam_jobs.label")
