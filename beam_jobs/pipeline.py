"""What the jobs share: the runner, the project on a worker, and the hand-over of reports to the driver."""

from __future__ import annotations

import json
import logging
import threading
import traceback
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.window import BoundedWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PaneInfo, WindowedValue

from beam_jobs.service import check_service, complaints_about_options, failures_of
from beambell.config import BeamParams
from beambell.errors import BeamBellError, StorageError, as_remote
from beambell.labeling import Catalogue
from beambell.project import Project
from beambell.store import Layout, canonical_json

EMBEDDED = "FnApiRunner"

HELD_BYTES = 16 << 20
"""Bytes that one step hands over to the next in memory, if both are in this process; more than that is staged."""

_failures: dict[str, BeamBellError] = {}  # first error per job of the workers in this process
_projects: dict[str, Project] = {}  # per job that this process drives: workers in it need not open the folder again


def pipeline_options(params: BeamParams) -> PipelineOptions:
    """Translate the ``beam`` section of ``params.yaml`` into Beam's options."""
    return PipelineOptions([f"--runner={params.runner}", *params.options], save_main_session=False)


def new_pipeline(params: BeamParams) -> beam.Pipeline:
    """Start a pipeline for the runner that ``params.yaml`` names.

    Raises
    ------
    ConfigError
        If Beam cannot use the runner, or an option.
    """
    with complaints_about_options():
        options = pipeline_options(params)
        if params.options:
            options.get_all_options()  # or a wrong value would be found in the middle of the work
        return beam.Pipeline(options=options)


def run_pipeline(project: Project, job: str, pipeline: beam.Pipeline) -> PipelineResult:
    """Run to the end.

    Raises
    ------
    BeamBellError
        As raised in a worker. Runners bring errors back as text at best, so workers leave theirs in a file.
    JobServiceError
        If a job service is away, or says no more than that the job failed.
    """
    check_service(pipeline.options)
    _projects[job] = project
    logger = logging.getLogger("apache_beam")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # of a failure, Beam logs the same traceback many times over
    try:
        with failures_of(pipeline.options), project.store.files.holding(HELD_BYTES):
            result = pipeline.run()
            result.wait_until_finish()
    except Exception:
        if job in _failures:
            raise _failures.pop(job) from None
        for report in read_reports(project, job, "errors"):
            raise BeamBellError.from_dict(report) from None
        raise
    finally:
        logger.setLevel(before)
        del _projects[job]
    return result


def counters(result: PipelineResult) -> dict[str, dict[str, int]]:
    """Counters of a job that has ended, by namespace and name."""
    found: dict[str, dict[str, int]] = {}
    for counter in result.metrics().query()["counters"]:
        names = found.setdefault(counter.key.metric.namespace, {})
        names[counter.key.metric.name] = names.get(counter.key.metric.name, 0) + (counter.result or 0)
    return found


class _Elements(beam.DoFn):
    def __init__(self, elements: Sequence[Any]) -> None:
        self._elements = elements

    def process(self, _: bytes) -> Sequence[Any]:
        return self._elements


class Spread(beam.PTransform):
    """Elements to start from, spread over the workers if there are several.

    The embedded runner has one, and each transform costs it milliseconds before the first row is read.

    Parameters
    ----------
    elements
        Few, and small: they travel in the pipeline's description.
    """

    def __init__(self, elements: Iterable[Any]) -> None:
        super().__init__()
        self._elements = list(elements)

    def expand(self, start: beam.pvalue.PBegin) -> beam.PCollection:
        """Break the fusion with what follows where that is of use."""
        elements = start | "Start" >> beam.Impulse() | "Elements" >> beam.ParDo(_Elements(self._elements))
        runner = start.pipeline.options.view_as(StandardOptions).runner
        workers = start.pipeline.options.view_as(DirectOptions).direct_num_workers
        return elements if (runner, workers) == (EMBEDDED, 1) else elements | beam.Reshuffle()


@lru_cache(maxsize=1)
def _open_project(folder: str, job: str) -> Project:  # noqa: ARG001 - a new job may see new parameters and LFs
    return Project(folder)


class ProjectFn(beam.DoFn):
    """A DoFn that needs the project: opened from its folder, once per worker process and job.

    It works on ``beam.workers`` elements of a bundle at once, in threads of its own: the work is done by code that lets
    others run meanwhile. With two, a million rows are voted on 1.4 times faster (``python -m benchmarks threads``), and
    28 partitions in an object store are labelled 1.7 times faster. Beam's own threads are workers that it talks to as
    if they were remote, which costs more than a second core gains on a million rows.

    Parameters
    ----------
    folder
        The project's folder, as workers see it.
    job
        Id of this run, and name of its folder in staging.
    """

    waits: ClassVar[bool] = False
    """Whether the work mostly waits for the data root: then more of it is done at once where a request takes a while.

    Not for what users wrote, in Python: its time limits are by the clock, and threads would take each other's time.
    """

    _opening = threading.Lock()

    def __init__(self, folder: str, job: str) -> None:
        self._folder = folder
        self._job = job

    def setup(self) -> None:
        """Open the project where the worker sees it."""
        with ProjectFn._opening:
            self.project = _projects.get(self._job) or _open_project(self._folder, self._job)

    def catalogue(self) -> Catalogue:
        """Load the labeling functions; importing the user's modules is for one thread at a time."""
        with ProjectFn._opening:
            return self.project.catalogue

    def start_bundle(self) -> None:
        """Start the threads."""
        workers = self.project.params.beam.workers
        self._at_once = max(workers, self.project.store.files.at_once) if self.waits else workers
        self._threads = ThreadPoolExecutor(self._at_once)
        self._under_way: deque[Future[list[WindowedValue]]] = deque()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()

    def process(
        self,
        element: Any,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        window: BoundedWindow = beam.DoFn.WindowParam,
        pane: PaneInfo = beam.DoFn.PaneInfoParam,
    ) -> Iterator[WindowedValue]:
        """Hand the element to a thread; yield what came of earlier ones, in their order.

        Each result keeps the time and the window of the element that it came of: Beam would give it those of the
        element that happens to be processed when it is yielded.
        """
        belonging = partial(WindowedValue, timestamp=timestamp, windows=(window,), pane_info=pane)
        self._under_way.append(self._threads.submit(self._results, element, belonging))
        if len(self._under_way) > self._at_once:
            yield from self._finished()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield what came of the last elements, and add to the job's counters."""
        while self._under_way:
            yield from self._finished()
        self._threads.shutdown()
        for (namespace, name), number in self._counts.items():
            Metrics.counter(namespace, name).inc(number)

    def _finished(self) -> list[WindowedValue]:
        """Wait for the results of the oldest element; if it failed, nothing of this bundle goes on."""
        try:
            return self._under_way.popleft().result()
        except BaseException:
            self._threads.shutdown(cancel_futures=True)
            raise

    def _results(self, element: Any, belonging: Callable[[Any], WindowedValue]) -> list[WindowedValue]:
        """Do the work; leave a report of an error for the driver."""
        try:
            return [belonging(result) for result in self.work(element) or ()]
        except Exception as error:
            ours = error if isinstance(error, BeamBellError) else as_remote(error) or _unexpected(error, element)
            _failures.setdefault(self._job, ours)
            with suppress(StorageError):  # on a full disk there is no room for a report either
                write_report(self.project, self._job, "errors", uuid.uuid4().hex, ours.to_dict())
            raise

    def work(self, element: Any) -> Iterable[Any] | None:
        """Turn one element into others, in any thread."""
        raise NotImplementedError

    def count(self, namespace: str, name: str, number: int) -> None:
        """Add to one of the job's counters, which Beam knows in the bundle's thread only."""
        with self._counting:
            self._counts[namespace, name] += number


def _unexpected(error: Exception, element: Any) -> BeamBellError:
    return BeamBellError(
        f"a worker failed on {str(element)[:200]}\n{''.join(traceback.format_exception(error))}",
        fix="this is a defect of the job or of its environment: please report it with the lines above",
    )


def write_report(project: Project, job: str, kind: str, name: str, report: dict[str, Any]) -> None:
    """Leave a report for the driver: no runner brings elements back, a file system does."""
    project.store.files.stage(f"{job}/{kind}/{name}.json", canonical_json(report))


def read_reports(project: Project, job: str, kind: str) -> Iterator[dict[str, Any]]:
    """Read what the workers left, in order of name."""
    folder = f"{Layout.STAGING}/{job}/{kind}"
    for name in project.store.files.list(folder):
        yield json.loads(bytes(project.store.files.staged(f"{job}/{kind}/{name}")))
