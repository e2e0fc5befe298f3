"""Predict: what the champion says of every row of a partition.

``python -m beam_jobs.predict --project DIR``
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
from beambell.artefacts.kinds.predictions import Predictions
from beambell.model import EndModel
from beambell.project import Project
from beambell.registry.served import load_model
from beambell.stages.damage import sound_work
from beambell.stages.model_rows import model_rows, stored_columns
from beambell.stages.predict import (
    STAGE,
    PredictWork,
    files_read,
    predictions_schema,
    predictions_table,
    publish_predictions,
)
from beambell.stages.stage import Outcome, Plan
from beambell.store import Layout
from beambell.store.tables import read_rows, write_tables


def run(project: Project, plan: Plan[list[PredictWork]]) -> Outcome:
    """Predict the partitions whose rows or whose model are new."""
    sound = sound_work(project, plan.work, files_read)
    if sound.work:
        job = uuid.uuid4().hex
        run_pipeline(project, job, build(project, sound.work, job))
    return sound.with_warnings(_outcome(project, sound.work, plan.current))


def build(project: Project, work: list[PredictWork], job: str) -> beam.Pipeline:
    """Build the pipeline: row ranges to shards, shards joined per partition, partitions published."""
    folder = str(project.path)
    items = row_ranges(work, lambda item: item.rows, project.params.beam.rows_per_item)
    pipeline = new_pipeline(project.params.beam)
    model = work[0].folder
    (
        pipeline
        | "RowRanges" >> Spread(items)
        | "Predict" >> beam.ParDo(Predict(folder, job, model))
        | "ByPartition" >> beam.GroupByKey()
        | "Publish" >> beam.ParDo(PublishPredictions(folder, job, model, {str(item.partition): item for item in work}))
    )
    return pipeline


class PredictingFn(ProjectFn):
    """A DoFn that has the model.

    Parameters
    ----------
    folder, job
        The project's folder, and id of this run.
    model
        Folder of the model's version, below the data root.
    """

    def __init__(self, folder: str, job: str, model: str) -> None:
        super().__init__(folder, job)
        self._folder_of_model = model

    def setup(self) -> None:
        """Open the project and load the model, once per worker."""
        super().setup()
        with ProjectFn._opening:  # a kind of the project's own imports its modules
            self.model: EndModel = load_model(self.project, self._folder_of_model)

    def publish(self, work: PredictWork, predictions: Iterable[pa.Table]) -> None:
        """Write the predictions of one partition and publish them."""
        store, folder = self.project.store, Layout.of(Layout.PREDICTIONS, work.partition)
        with store.seal(folder, "predictions") as sealed:
            write_tables(sealed, predictions_schema(self.model.classes), predictions)
        publish_predictions(self.project, work, sealed.ref, self.model.classes)


class Predict(PredictingFn):
    """Predict one range of rows."""

    def work(self, rows: RowRange[PredictWork]) -> Iterator[tuple[str, Shard]]:
        """Publish a partition that the range holds whole; yield (partition, shard) for any other."""
        work, store, fields = rows.work, self.project.store, self.model.fields
        stream, place = work.partition.stream, Layout.of(Layout.PARTITIONS, work.partition)
        columns = list(dict.fromkeys(["id", *stored_columns(self.project, stream, fields)]))
        table = read_rows(store, place, work.rows, rows.start, rows.stop, columns)
        proba = self.model.predict_rows(model_rows(self.project, stream, table, fields))
        predictions = predictions_table(table["id"], proba, self.model.classes)
        if rows.is_whole:
            self.publish(work, [predictions])
        else:
            yield str(work.partition), stage_shard(store, f"{self._job}/{work.partition}", rows.index, predictions)


class PublishPredictions(PredictingFn):
    """Join the shards of one partition and publish its predictions."""

    def __init__(self, folder: str, job: str, model: str, work: dict[str, PredictWork]) -> None:
        super().__init__(folder, job, model)
        self._work = work

    def work(self, element: tuple[str, Iterable[Shard]]) -> None:
        """Publish one partition."""
        key, shards = element
        self.publish(self._work[key], ahead(read_shards(self.project.store, shards)))


def _outcome(project: Project, work: list[PredictWork], current: int) -> Outcome:
    figures: Counter[str] = Counter()
    folders = [Layout.of(Layout.PREDICTIONS, item.partition) for item in work]
    for manifest in project.store.require_each(folders, "run predict again"):
        predicted = Predictions.of(manifest)
        figures.update({"rows": predicted.rows, **predicted.label_counts})
    model = {"model": work[0].version} if work else {}
    return Outcome(STAGE, len(work), current, {**model, **figures})


if __name__ == "__main__":
    main("beam_jobs.predict")
