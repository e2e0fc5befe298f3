"""Live labeling on Beam: a clock ticks, parts are read and labelled, one key keeps what is known of the whole.

``python -m beam_jobs.live --project DIR``

One chain of three keyed steps, for Prism and for Flink alike: no splittable DoFn, no watermark, no side input, no
trigger, each of which one of the two runs wrongly. Offsets and open counts are Beam state, and may be lost: what they
say is read again from the log.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.runners.runner import PipelineState
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec

from beam_jobs.live_runner import cancel, end_on_cluster, options_of
from beambell.live import fence
from beambell.live.desk import desk_of, is_at_work
from beambell.live.keeper import Tally
from beambell.live.reader import MicroBatch
from beambell.live.worker import Worker, worker_of
from beambell.project import Project

Key = tuple[str, int]
_EVERYTHING = "job"
_BEAT = ""
_EPOCH, _NUMBER = (beam.DoFn.StateParam(ReadModifyWriteStateSpec(name, VarIntCoder())) for name in ("epoch", "number"))
_KEPT = beam.DoFn.StateParam(ReadModifyWriteStateSpec("kept", BytesCoder()))


class OfProject(beam.DoFn):
    """A step that works with the worker of its process.

    Parameters
    ----------
    folder
        Folder of the project; the same on all machines.
    number
        Number of the job.
    """

    def __init__(self, folder: str, number: int) -> None:
        self._folder, self._number = folder, number

    def setup(self) -> None:
        """Load and warm up, before the first record."""
        self._worker: Worker = worker_of(self._folder, self._number)


class Parts(OfProject):
    """At each tick, all parts there are: one that appears later is among them, too."""

    def process(self, _: object) -> Iterator[Key]:
        """Yield the key of each part, and one more, so that the desk works where there is none."""
        yield _BEAT, 0
        for stream, part in self._worker.parts():
            yield f"{stream}/{part}", 0


class Poll(OfProject):
    """What is new of a part, landed; which reading of the part is the newest is the key's state."""

    def process(self, element: Key, epoch: Any = _EPOCH) -> Iterator[MicroBatch | None]:
        """Yield micro-batches, and nothing at all for a mere beat."""
        if element[0] == _BEAT:
            yield None
            return
        stream, _, part = element[0].partition("/")
        before = epoch.read() or 0
        batches, now = self._worker.poll(stream, part, before)
        if now != before:
            epoch.write(now)
        yield from batches


class Label(OfProject):
    """Labels of a micro-batch, written down; what the keeper has to know of it goes on."""

    def process(self, batch: MicroBatch | None) -> Iterator[tuple[str, Tally | None]]:
        """Yield the tally of a micro-batch."""
        yield _EVERYTHING, None if batch is None else self._worker.label(batch)


class Keep(OfProject):
    """The desk of the whole job, under one key; its state is what was counted of open partitions."""

    def process(
        self,
        element: tuple[str, Tally | None],
        kept: Any = _KEPT,
        number: Any = _NUMBER,
    ) -> None:
        """Count a micro-batch, and do what is due."""
        desk, before = desk_of(self._folder), number.read() or 0
        if before != desk.keeper.revision:  # another process kept this key before
            desk = desk_of(self._folder, anew=True)
            if before:
                desk.keeper.restore(kept.read())
            desk.keeper.revision = before
        with desk.lock:
            tally = element[1]
            if tally is not None:
                desk.add(tally)
            desk.tick()
            if tally is not None and len(tally.offsets):
                desk.keeper.revision = before + 1
                number.write(desk.keeper.revision)
                kept.write(desk.keeper.snapshot())


def build(project: Project, number: int) -> beam.Pipeline:
    """Build the pipeline for the runner that ``live.runner`` names.

    Parameters
    ----------
    project
        Project with a section ``live``.
    number
        Number of the job, as `beambell.live.fence.begin` gave it.

    Raises
    ------
    LiveError
        If that runner cannot serve streams.
    """
    live, folder = project.params.live, str(project.path)
    pipeline = beam.Pipeline(options=options_of(project))
    if live.runner == "flink":
        from apache_beam.io.flink.flink_streaming_impulse_source import FlinkStreamingImpulseSource

        clock: Any = FlinkStreamingImpulseSource().set_interval_ms(live.latency_ms).set_message_count(0)
    else:
        from apache_beam.transforms.periodicsequence import PeriodicImpulse

        clock = PeriodicImpulse(fire_interval=live.latency_ms / 1e3, apply_windowing=False)
    (
        pipeline
        | "Clock" >> clock
        | "Parts" >> beam.ParDo(Parts(folder, number)).with_output_types(Key)
        | "Poll" >> beam.ParDo(Poll(folder, number)).with_output_types(MicroBatch | None)
        | "Label" >> beam.ParDo(Label(folder, number)).with_output_types(tuple[str, Tally | None])
        | "Keep" >> beam.ParDo(Keep(folder, number))
    )
    return pipeline


def main() -> None:
    """Run until told to stop; then land what was read, and end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path())
    project = Project(parser.parse_args().project)
    stopping = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stopping.set())
    number = fence.begin(project.store)
    pipeline = build(project, number)
    if project.params.live.runner == "flink":
        cancel(pipeline.options)
    result = pipeline.run()
    while not stopping.is_set() and not PipelineState.is_terminal(result.state):
        time.sleep(0.2)
    if not stopping.is_set():
        logging.getLogger(__name__).error("the job ended by itself: %s", result.state)
        os._exit(1)
    if project.params.live.runner == "flink":
        end_on_cluster(project, number)
    elif is_at_work(folder := str(project.path)):
        worker_of(folder).land()
        desk_of(folder).end()
    os._exit(0)  # the runner's threads would go on; whoever started this ends the process group


if __name__ == "__main__":
    main()
