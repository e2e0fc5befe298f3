"""The worker: reads, lands and labels parts of streams. One in each process, whoever calls it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from beambell.config.live import LiveParams, LiveSourceParams
from beambell.errors import LiveSourceError
from beambell.live.closed import closed_partitions
from beambell.live.fence import Fence, Order
from beambell.live.files_source import FolderSource
from beambell.live.folder import LiveFolder
from beambell.live.keeper import Tally
from beambell.live.labeler import Labeler, LabelledBatch
from beambell.live.learner import Lesson
from beambell.live.predictor import Judged, Predictor
from beambell.live.reader import MicroBatch, PartReader
from beambell.live.segments import Landing
from beambell.live.sink import FileSink, labels_folder, spell_labels
from beambell.live.source import Source
from beambell.live.topics import Uncovered, uncovered
from beambell.project import Project
from beambell.store import Layout

if TYPE_CHECKING:
    from beambell.live.kafka import KafkaSink

SAMPLED_DELAYS = 100
MISSED = "missed.json"
"""File in which the keeper says of which readings it misses something."""

_logger = logging.getLogger(__name__)


def open_source(project: Project, params: LiveSourceParams, landing: Landing | None = None) -> Source:
    """Open the source of a stream, or that of feedback.

    Parameters
    ----------
    project
        Project that the source belongs to.
    params
        Parameters of the source.
    landing
        Segments of the stream, if more than one process may read it.
    """
    if params.folder is not None:
        landed = (lambda part: landing.position(part) or 0) if landing is not None else (lambda _: 0)
        return FolderSource(Path(project.path), params.folder, landed)
    from beambell.live.kafka import KafkaSource

    assert params.topic is not None  # params.yaml is checked for that
    return KafkaSource(params.topic, _kafka(project.params.live), group=f"beambell-{project.params.project}")


def open_outlet(live: LiveParams) -> KafkaSink | None:
    """Open the topic that labels are sent to beside the files; ``None`` if there is none."""
    if live.labels_topic is None:
        return None
    from beambell.live.kafka import KafkaSink

    return KafkaSink(live.labels_topic, _kafka(live))


def _kafka(live: LiveParams) -> dict[str, Any]:
    from beambell.live.kafka import client_settings

    return client_settings({**live.client, "bootstrap.servers": live.brokers})


class Worker:
    """What one process knows: its labeler, and the parts that it reads; threads may share it.

    Parameters
    ----------
    project
        Project with a section ``live``.
    number
        Number of the job, as `beambell.live.fence.begin` gave it; ``None`` if this process is all of the job.
    """

    def __init__(self, project: Project, number: int | None = None) -> None:
        self.project, self.live = project, project.params.live
        self.fence = Fence(project.store, number, self.live.swap_s)
        self.classes = tuple(project.params.classes)
        self.labeler = Labeler(project)
        self.outlet = open_outlet(self.live)
        self._predictor = Predictor(project) if self.live.model.on else None
        self._landings = {stream: Landing(project.store, stream) for stream in self.live.streams}
        self.sources = {
            stream: open_source(project, params, self._landings[stream]) for stream, params in self.live.streams.items()
        }
        self._readers: dict[tuple[str, str], PartReader] = {}
        self._sinks: dict[tuple[str, str], FileSink] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()
        self._is_stopping = False
        self._folder = LiveFolder(project.store.files, Layout.LIVE)
        self._asked, self._missed_epochs = 0.0, dict[str, int]()
        self.labeler.warm_up()

    def parts(self) -> list[tuple[str, str]]:
        """Return stream and name of all parts that can be reached."""
        found = []
        for stream, source in self.sources.items():
            try:
                found += [(stream, part) for part in source.parts()]
            except LiveSourceError:
                found += [key for key in self._readers if key[0] == stream]  # it will be asked again
        return found

    def poll(self, stream: str, part: str, epoch: int | None = None) -> tuple[list[MicroBatch], int]:
        """Read what is new of a part; from what is landed on, if this process's reading of it no longer counts.

        That is so if the keeper misses something of it, or if another process read the part in between.

        Parameters
        ----------
        stream, part
            Names of the stream and of the part.
        epoch
            Number of the reading that came last, in whichever process; ``None`` where there is but one process.

        Returns
        -------
        list of MicroBatch, int
            Micro-batches that were read, and the number of their reading; 0 if there was none yet.
        """
        with self._locked(stream, part):
            reader, order = self._readers.get((stream, part)), self.fence.order()
            if self._is_stopping or order is not Order.WORK:
                if order is Order.LAND:
                    self._land(stream, part)
                return [], epoch or 0
            if reader is not None and (why := self._outdated(reader, epoch)):
                _logger.warning("%s/%s is read anew from what is landed: %s", stream, part, why)
                reader.abandon()
                self._sink(stream, part).abandon()
                reader = None
            if reader is None:
                reader = self._readers[stream, part] = self._new_reader(stream, part, epoch or 0)
            return list(reader.poll()), reader.epoch

    def _outdated(self, reader: PartReader, epoch: int | None) -> str:
        """Return why a reading no longer counts; empty if it does."""
        if reader.is_overtaken or epoch not in (None, reader.epoch):
            return "another process has read it, too"
        lost = reader.epoch <= self._missed().get(f"{reader.stream}/{reader.part}", 0)
        return "some of it was lost on its way" if lost else ""

    def _land(self, stream: str, part: str) -> None:
        if (stream, part) in self._readers:
            reader = self._readers[stream, part]
            reader.land()
            if not reader.is_overtaken:
                self._sink(stream, part).complete()

    def label(self, batch: MicroBatch) -> Tally:
        """Label a micro-batch, write its labels down, and return what the keeper is told of it.

        Whatever fails, the records are landed and the job lives on: rows that could not be labelled are counted, and
        batch labels them when their partition closes.
        """
        try:
            labelled = self.labeler.label(batch)
            judged = Judged() if self._predictor is None else self._predictor.judge(labelled)
            self._write(labelled, judged)
        except Exception as error:
            _logger.exception("%s rows of %s/%s could not be labelled", len(batch.offsets), batch.stream, batch.part)
            return _unlabelled(batch, error)
        return self._tally(labelled, judged.lesson)

    def land(self) -> None:
        """Land all that was read, complete its labels, and read no more: before the process ends in good order."""
        self._is_stopping = True
        for key in list(self._readers):
            with self._locked(*key):
                self._land(*key)
        if self.outlet is not None:
            self.outlet.close()
        self.labeler.close()

    @property
    def trouble(self) -> list[str]:
        """Sentences on what goes on as before because something newer cannot be taken."""
        told = (self.labeler.trouble, self._predictor.trouble if self._predictor else "")
        return [said for said in told if said]

    def _missed(self) -> dict[str, int]:
        """Return the epochs of which the keeper misses something, by stream and part; looked at every so often."""
        now = time.monotonic()
        if now - self._asked >= self.live.swap_s:
            self._asked, self._missed_epochs = now, self._folder.read_json(MISSED) or {}
        return self._missed_epochs

    def _new_reader(self, stream: str, part: str, epoch: int) -> PartReader:
        done = {name.removesuffix(".jsonl") for name in labels_folder(self.project.store, stream).names(".jsonl")}
        return PartReader(
            self.sources[stream],
            self._landings[stream],
            stream,
            part,
            self.project.params.streams[stream],
            self.live,
            frozenset(closed_partitions(self.project.store, stream)),
            frozenset(done),
            after=epoch,
        )

    def _write(self, labelled: LabelledBatch, judged: Judged) -> None:
        batch = labelled.source
        sink = self._sink(batch.stream, batch.part)
        if batch.is_replayed and sink.has(batch.segment):
            return
        lines = list(spell_labels(labelled, self.classes, judged.proba))
        sink.write(batch.segment, lines)
        if self.outlet is not None and lines:
            self.outlet.send(zip(batch.rows["id"].to_pylist(), lines, strict=True))

    def _tally(self, labelled: LabelledBatch, lesson: Lesson | None) -> Tally:
        batch = labelled.source
        delays = labelled.labelled - batch.arrived[-SAMPLED_DELAYS:]
        figures = {f"quarantined: {reason}": count for reason, count in (batch.quarantined or {}).items()}
        figures |= {f"failed: {name}": count for name, count in labelled.errors.items()}
        figures |= {"lost at the source": batch.lost} if batch.lost else {}
        return Tally(
            batch.stream, batch.part, batch.epoch, batch.first, batch.next, batch.previous,
            batch.rows["id"].combine_chunks(), labelled.dts, batch.offsets, labelled.patterns, batch.high, batch.behind,
            np.empty(0, np.int64) if batch.is_replayed else delays, figures, batch.error, batch.is_replayed,
            tuple(_uncovered(labelled)), lesson,
        )  # fmt: skip

    def _sink(self, stream: str, part: str) -> FileSink:
        if (stream, part) not in self._sinks:
            self._sinks[stream, part] = FileSink(self.project.store, stream, part)
        return self._sinks[stream, part]

    def _locked(self, stream: str, part: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault((stream, part), threading.Lock())


_workers: dict[str, Worker] = {}
_opening = threading.Lock()


def worker_of(folder: str, number: int | None = None) -> Worker:
    """Return this process's worker for the project in a folder; the first call loads it and warms it up.

    Parameters
    ----------
    folder
        Folder of the project.
    number
        Number of the job, for the first call.

    Raises
    ------
    LiveError
        If there is no label model to begin with.
    """
    with _opening:
        if folder not in _workers:
            _workers[folder] = Worker(Project(folder), number)
        return _workers[folder]


def tallies(worker: Worker, stream: str, part: str) -> tuple[Iterator[Tally], int]:
    """Read and label what is new of a part; see `Worker.poll`."""
    batches, epoch = worker.poll(stream, part)
    return map(worker.label, batches), epoch


def _unlabelled(batch: MicroBatch, error: Exception) -> Tally:
    nothing = pa.array([], pa.string())
    figures = {f"not labelled: {type(error).__name__}": len(batch.offsets)}
    return Tally(
        batch.stream, batch.part, batch.epoch, batch.first, batch.next, batch.previous, nothing, nothing,
        np.empty(0, np.int64), np.empty((0, 0), np.uint8), batch.high, batch.behind, figures=figures,
        error=batch.error, is_replayed=batch.is_replayed,
    )  # fmt: skip


def _uncovered(labelled: LabelledBatch) -> Iterator[Uncovered]:
    """Yield what topics need of the rows without a vote."""
    at = np.flatnonzero(~labelled.covered)
    rows = labelled.source.rows.select(["id", "ts", "text"]).take(pa.array(at))
    micros = rows["ts"].cast(pa.int64()).to_pylist()
    offsets = labelled.source.offsets[at].tolist()
    for offset, time_us, name, text in zip(
        offsets, micros, rows["id"].to_pylist(), rows["text"].to_pylist(), strict=True
    ):
        yield uncovered(offset, time_us, name, text)
