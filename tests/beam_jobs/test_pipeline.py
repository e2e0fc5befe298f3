"""What the jobs rely on in Beam, and would else lose without a word when Beam changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import yaml
from apache_beam.transforms import window
from projects import REPOSITORY, write_params

from beam_jobs import pipeline
from beam_jobs.apply_lfs import GatherVotes, Voted
from beambell.errors import BeamBellError, StateError
from beambell.project import Project
from beambell.state import PatternCounts


def voted(seed: int) -> tuple[str, Voted]:
    return "a", Voted((PatternCounts.from_votes(np.random.default_rng(seed).integers(-1, 2, (50, 4)), 2),))


def test_counts_are_pickled_once_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = []
    reduce = PatternCounts.__reduce__
    monkeypatch.setattr(PatternCounts, "__reduce__", lambda counts: pickled.append(counts) or reduce(counts))
    with beam.Pipeline(runner="FnApiRunner") as p:
        (
            p
            | beam.Create(range(8))
            | beam.Map(voted).with_output_types(tuple[str, Voted])
            | beam.CombinePerKey(GatherVotes())
        )
    assert [counts.n_rows for counts in pickled] == [400]  # not the eight parts, nor the sum to see its size


FOUR = range(4)
AT_ONCE = threading.Barrier(2)
DONE: list[int] = []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    write_params(tmp_path, {**params, "beam": {"workers": 2}})
    DONE.clear()
    return Project(tmp_path)


def results(project: Project, fn: type[pipeline.ProjectFn]) -> dict[str, dict[str, int]]:
    """Do four elements in one bundle; they end up in DONE."""
    p = beam.Pipeline(options=pipeline.pipeline_options(project.params.beam))
    p | pipeline.Spread(FOUR) | beam.ParDo(fn(str(project.path), "job")) | beam.Map(keep)
    return pipeline.counters(pipeline.run_pipeline(project, "job", p))


def keep(element: int) -> None:
    DONE.append(element)


class Twice(pipeline.ProjectFn):
    def work(self, element: int) -> Iterator[int]:
        time.sleep(0.01 * (element % 3))  # others are done before
        yield from (element, -element)


class Belonging(beam.DoFn):
    """Say where an element belongs."""

    def process(self, element, time=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
        BELONGS.append((element, float(time), str(window)))


BELONGS: list[tuple[int, float, str]] = []


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize(
    "windows",
    [
        window.GlobalWindows(),
        window.FixedWindows(10),
        window.SlidingWindows(20, 10),  # each element is in two
        window.Sessions(5),
    ],
    ids=lambda fn: type(fn).__name__,
)
@pytest.mark.parametrize("times", [[10, 20, 30, 40, 50], [40, 10, 10, 90, 30], [5]], ids=["ordered", "mixed", "one"])
def test_results_belong_where_their_element_does(project: Project, windows, workers: int, times: list[int]) -> None:
    write_params(project.path, {**project.params.model_dump(mode="json"), "beam": {"workers": workers}})
    BELONGS.clear()

    def belonging(*steps: beam.PTransform) -> list[tuple[int, float, str]]:
        BELONGS.clear()
        with beam.Pipeline(runner="FnApiRunner") as p:
            elements = p | beam.Create([*enumerate(times, 1)]) | beam.Map(at_its_time) | beam.WindowInto(windows)
            for step in steps:
                elements |= step
            elements | beam.ParDo(Belonging())
        return sorted(BELONGS)

    plain = belonging(beam.FlatMap(lambda element: (element, -element)))
    assert belonging(beam.ParDo(Twice(str(project.path), "windows"))) == plain
    assert len(plain) == 2 * len(times) * (2 if isinstance(windows, window.SlidingWindows) else 1)


def at_its_time(element: tuple[int, int]) -> window.TimestampedValue:
    return window.TimestampedValue(element[0], element[1])


class Together(pipeline.ProjectFn):
    def work(self, element: int) -> Iterator[int]:
        AT_ONCE.wait(20)  # for the other thread: else it is broken
        time.sleep(0.02 * (1 - element % 2))  # the odd ones are done first
        self.count("seen", "odd" if element % 2 else "even", element)
        yield element


class Failing(pipeline.ProjectFn):
    def work(self, element: int) -> Iterator[int]:
        if element == 0:
            raise StateError("broken")
        time.sleep(0.2)
        DONE.append(element)
        yield element


def test_a_worker_does_several_elements_at_once_and_keeps_their_order(project: Project) -> None:
    assert results(project, Together) == {"seen": {"odd": 4, "even": 2}}
    assert [*FOUR] == DONE


def test_after_a_failure_nothing_begins_and_nothing_is_under_way(project: Project) -> None:
    with pytest.raises(BeamBellError, match="broken"):
        results(project, Failing)
    seen = [*DONE]
    assert 3 not in seen
    time.sleep(0.3)
    assert seen == DONE
