"""Label: probabilistic labels per partition, looked up by vote pattern.

``python -m beam_jobs.label --project DIR``
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator

import apache_beam as beam

from beam_jobs.main import main
from beam_jobs.pipeline import ProjectFn, Spread, new_pipeline, run_pipeline
from beam_jobs.shards import Shard, join_shards, row_items, stage_shard
from beambell.artefacts.kinds.labels import Candidates
from beambell.project import Project
from beambell.stages.damage import sound_work
from beambell.stages.label import (
    STAGE,
    LabelWork,
    files_read,
    publish_candidate,
    read_answers,
)
from beambell.stages.posteriors import Posteriors, labels_schema, labels_table
from beambell.stages.stage import Outcome, Plan
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import read_rows

Item = tuple[LabelWork, int, int, int]


def run(project: Project, plan: Plan[list[LabelWork]]) -> Outcome:
    """Label what has new votes, new feedback or a new label model, as candidates for the gate."""
    sound = sound_work(project, plan.work, files_read)
    if sound.work:
        job = uuid.uuid4().hex
        run_pipeline(project, job, build(project, sound.work, job))
    return sound.told(_outcome(project, sound.work, plan.current))


def build(project: Project, work: list[LabelWork], job: str) -> beam.Pipeline:
    """Build the pipeline: row ranges to shards, shards joined per partition, partitions published."""
    folder = str(project.path)
    items: list[Item] = row_items(work, lambda item: item.votes, project.params.beam.rows_per_item)
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


class Label(LabellingFn):
    """Label one range of rows."""

    def work(self, item: Item) -> Iterator[tuple[str, Shard]]:
        """Yield (partition, shard)."""
        work, index, start, stop = item
        votes = read_rows(self.project.store, Layout.of(Layout.VOTES, work.partition), work.votes, start, stop)
        answers = read_answers(self.project, work)
        labels = labels_table(votes["id"], packed.from_arrow(votes["pattern"]), self.posteriors, answers)
        yield str(work.partition), stage_shard(self.project.store, f"{self._job}/{work.partition}", index, labels)


class PublishCandidate(LabellingFn):
    """Join the shards of one partition and publish its candidate labels."""

    def __init__(self, folder: str, job: str, work: dict[str, LabelWork]) -> None:
        super().__init__(folder, job)
        self._work = work

    def work(self, element: tuple[str, Iterable[Shard]]) -> None:
        """Publish one partition."""
        key, shards = element
        work = self._work[key]
        schema = labels_schema(self.posteriors.classes)
        folder = Layout.of(Layout.CANDIDATES, work.partition)
        labels = join_shards(self.project.store, folder, "labels", schema, shards)
        publish_candidate(self.project, work, labels, self.posteriors)


def _outcome(project: Project, work: list[LabelWork], current: int) -> Outcome:
    figures: Counter[str] = Counter()
    folders = [Layout.of(Layout.CANDIDATES, item.partition) for item in work]
    for manifest in project.store.require_each(folders, "run label again"):
        labels = Candidates.of(manifest)
        figures.update({"rows": labels.rows, "unlabelled": labels.unlabelled, **labels.label_counts})
    return Outcome(STAGE, len(work), current, dict(figures))


if __name__ == "__main__":
    main("beam_jobs.label")
