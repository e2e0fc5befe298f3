"""The past as of a day that is not there yet: how far it reaches, and that its rows get the votes of batch."""

from __future__ import annotations

import pytest
from histories import aggregate, histories_at, put_rows
from projects import run_stages, small_project, write_params

from beambell import Project
from beambell.history.tables import open_aggregates
from beambell.labeling import StatefulFunction, compile_lfs
from beambell.state import patterns
from beambell.store import Layout, Partition
from beambell.store.tables import read_table

LFS = """
from beambell.labeling import stateful_labeling_function as stateful
from beambell.labeling.aggregates import count

@stateful(key="author", aggregate=count(), label=1)
def busy(row, past):
    return past >= 2

@stateful(key="author", aggregate=count(), window_days=2, of_streams=("h",), label=1)
def busy_lately(row, past):
    return past >= 2
"""
STREAM = {"fields": {"author": "string"}, "inputs": ["data/raw/{dt}.csv"]}
PARAMS = {
    "project": "ahead",
    "classes": ["ham", "spam"],
    "streams": {"a": STREAM, "h": {**STREAM, "grain": "hour"}, "m": {**STREAM, "grain": "month"}},
    "lfs": {"modules": ["ahead_lfs"]},
    "label_model": {"kind": "majority"},
}
ANN = {"author": "ann", "text": "hello"}


@pytest.fixture
def project(tmp_path):
    write_params(tmp_path, PARAMS)
    (tmp_path / "ahead_lfs.py").write_text(LFS)
    return Project(tmp_path)


def seen(project, name, dt):
    """Last day of the past, and the number of rows of each key."""
    lf = project.catalogue[name]
    tables = open_aggregates(project.store, project.params, [lf])[lf.spec.id]
    past = tables.history_at(dt, lf.window_days)
    states = [state for piece in tables.read_all(past) for state in piece.to_pylist()]
    return past.last_day, {state["key"]: state["n"] for state in states}


def test_it_reaches_to_the_last_day_that_has_rows(project):
    assert seen(project, "busy", "2026-01-05") == (None, {})
    for stream, dt in [("m", "2025-12"), ("a", "2026-01-01"), ("h", "2026-01-03T07"), ("h", "2026-01-03T09")]:
        put_rows(project, Partition(stream, dt), [ANN, {"author": None, "text": ""}])
    aggregate(project)
    assert seen(project, "busy", "2026-01-05") == ("2026-01-03", {"ann": 4})
    assert seen(project, "busy", "2026-01-03T23") == ("2026-01-01", {"ann": 2})
    assert seen(project, "busy", "2026-01") == ("2025-12-31", {"ann": 1})
    assert seen(project, "busy", "2025-12-31") == (None, {})
    assert seen(project, "busy_lately", "2026-01-05") == ("2026-01-03", {"ann": 2})
    assert seen(project, "busy_lately", "2026-01-07") == ("2026-01-03", {})
    assert seen(project, "busy_lately", "2026-01-03") == (None, {})


def test_what_is_not_aggregated_yet_is_left_out_and_so_is_what_comes_after_it(project):
    for day in range(1, 5):
        put_rows(project, Partition("a", f"2026-01-0{day}"), [ANN])
    aggregate(project)
    put_rows(project, Partition("a", "2026-01-05"), [ANN])
    assert seen(project, "busy", "2026-01-06") == ("2026-01-04", {"ann": 4})
    put_rows(project, Partition("a", "2026-01-03"), [ANN, ANN])
    assert seen(project, "busy", "2026-01-06") == ("2026-01-02", {"ann": 2})
    aggregate(project)
    assert seen(project, "busy", "2026-01-06") == ("2026-01-05", {"ann": 6})


def test_rows_that_come_before_their_day_is_aggregated_get_the_votes_of_batch(tmp_path):
    folder = small_project(tmp_path, days=4, scale=0.02)
    run_stages(folder, "ingest", "aggregate", "apply")
    project = Project(folder)
    lfs, store = list(project.catalogue), project.store
    compiled, acted = compile_lfs(lfs), 0
    for partition, manifest in store.partitions(Layout.VOTES).items():
        rows = project.rows(partition.stream, partition.dt, "arrow")
        for name, past in histories_at(project, partition.stream, partition.dt).items():
            rows = project.catalogue[name].with_history(rows, past, partition.stream)
            acted += sum(map(len, past))
        votes = read_table(store, Layout.of(Layout.VOTES, partition), manifest.files["votes"])
        fingerprints = project.catalogue.fingerprints
        live = compiled.evaluate(rows, cardinality=2, stream=partition.stream, fingerprints=fingerprints)
        assert (patterns.from_arrow(votes["pattern"]) == live.patterns).all(), partition
    assert acted
    assert any(isinstance(lf, StatefulFunction) for lf in lfs)
