"""Stateful labeling functions with panes the whole way: the votes of a computation by hand, in any order of arrival."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from histories import aggregate, begins, closes, put_rows, values_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from projects import change_params, published, run_stages, small_project, write_params

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.history.tables import with_histories
from beambell.stages.order import STAGES
from beambell.store import Layout, Partition
from beambell.views.lineage import trace

LFS = """
from beambell.labeling import keyword, stateful_labeling_function as stateful
from beambell.labeling.aggregates import count, distinct_days, last_seen

free = keyword("free", any_of=["free"], label=1)

@stateful(key="author", aggregate=count(), label=1)
def busy(row, past):
    return past >= 2

@stateful(key="author", aggregate=count(), pane="hour", label=1)
def bursts(row, past):
    return past >= 2

@stateful(key="author", aggregate=last_seen(), pane="10min", window_days=2, where=free, streams=("a", "h"), label=1)
def hurries(row, past):
    return past is not None

@stateful(key="author", aggregate=distinct_days(), pane="10min", of_streams=("h", "m"), label=1)
def days(row, past):
    return past >= 2
"""
STREAM = {"fields": {"author": "string"}, "inputs": ["data/raw/{dt}.csv"]}
PARAMS = {
    "project": "panes",
    "classes": ["ham", "spam"],
    "streams": {"a": STREAM, "b": STREAM, "h": {**STREAM, "grain": "hour"}, "m": {**STREAM, "grain": "month"}},
    "lfs": {"modules": ["pane_lfs"]},
    "label_model": {"kind": "majority"},
}
HAND = {
    "busy": (None, 10**5, lambda row: True, "abhm", len),
    "bursts": (60, 10**5, lambda row: True, "abhm", len),
    "hurries": (
        10,
        2,
        lambda row: "free" in row["text"],
        "abhm",
        lambda rows: max((r["ts"] for _, r in rows), default=None),
    ),
    "days": (10, 10**5, lambda row: True, "hm", lambda rows: len({day for day, _ in rows})),
}


def by_hand(name, rows_of, partition):
    """The values of what each row of a partition sees, by a loop over all rows there are."""
    minutes, window, where, streams, value = HAND[name]
    end = begins(partition.dt)

    def pane(row):
        return int(row["ts"].timestamp()) // 60 // minutes

    def is_seen(other, before, row):
        if end - timedelta(days=window) <= closes(other.dt) < end:
            return True
        same_day = minutes and 7 not in (len(other.dt), len(partition.dt)) and other.dt[:10] == partition.dt[:10]
        return same_day and pane(before) < pane(row)

    return [
        value(
            [
                (closes(other.dt), before)
                for other, rows in rows_of.items()
                for before in rows
                if other.stream in streams
                and row["author"] is not None
                and before["author"] == row["author"]
                and where(before)
                and is_seen(other, before, row)
            ]
        )
        for row in rows_of[partition]
    ]


seconds = st.one_of(st.sampled_from([0, 599, 600, 3599]), st.integers(0, 3599))
row = st.fixed_dictionaries(
    {"author": st.sampled_from(["ann", "bob", None]), "text": st.sampled_from(["free", "dear"]), "second": seconds}
)
dates = st.one_of(
    st.tuples(st.sampled_from("ab"), st.integers(29, 31).map(lambda day: f"2026-01-{day}")),
    st.tuples(
        st.just("h"), st.tuples(st.integers(29, 31), st.integers(0, 3)).map(lambda at: f"2026-01-{at[0]}T0{at[1]}")
    ),
    st.tuples(st.just("m"), st.sampled_from(["2025-12", "2026-01"])),
)
arrivals = st.lists(st.tuples(dates, st.lists(row, max_size=5)), min_size=3, max_size=8)


def timed(dt, rows):
    """Rows with times in a partition: of a day, in its first four hours."""
    start = datetime.combine(begins(dt), datetime.min.time(), UTC) + timedelta(hours=int(dt[11:] or 0))
    hours = 1 if len(dt) > 10 else 4
    return [
        {**{k: row[k] for k in ("author", "text")}, "ts": start + timedelta(seconds=row["second"] * hours)}
        for row in rows
    ]


def bare_project(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    write_params(folder, PARAMS)
    (folder / "pane_lfs.py").write_text(LFS)
    return Project(folder)


@settings(max_examples=10, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(arrivals, st.booleans())
def test_votes_are_those_of_a_computation_by_hand_in_any_order_of_arrival(arriving, each):
    with tempfile.TemporaryDirectory() as folder:
        project, rows_of = bare_project(Path(folder) / "one"), {}
        for (stream, dt), rows in arriving:  # late ones and replaced ones among them
            partition = Partition(stream, dt)
            rows_of[partition] = put_rows(project, partition, timed(dt, rows))
            if each:
                aggregate(project)
        aggregate(project)
        for partition in rows_of:
            rows = project.rows(partition.stream, partition.dt, "arrow")
            rows = with_histories(project.store, project.params, project.catalogue, partition, rows)
            for name in HAND:
                lf = project.catalogue[name]
                if lf.votes_on(partition.stream):
                    assert values_of(lf, rows) == by_hand(name, rows_of, partition), (partition, name)
        other = bare_project(Path(folder) / "other")
        for partition in sorted(rows_of):
            put_rows(other, partition, rows_of[partition])
        aggregate(other)
        assert published(other.path) == published(project.path)


# -- through the stages ----------------------------------------------------------------------------------------------

LATE = Partition("a", "2026-01-30")


def at(clock, author="ann", text="dear"):
    hour, minute = map(int, clock.split(":"))
    return {
        "id": f"{author} {clock}",
        "author": author,
        "text": text,
        "ts": datetime(2026, 1, 30, hour, minute, tzinfo=UTC),
    }


@pytest.fixture
def project(tmp_path):
    project = bare_project(tmp_path / "project")
    put_rows(project, LATE, [at("08:10"), at("10:10"), at("08:50", "bob")])
    put_rows(project, Partition("b", "2026-01-30"), [at("09:20"), at("10:20"), at("10:30"), at("11:10", "bob")])
    put_rows(project, Partition("b", "2026-01-31"), [{**at("00:01"), "ts": datetime(2026, 1, 31, tzinfo=UTC)}])
    put_rows(project, Partition("h", "2026-01-30T07"), [at("07:30", "bob")])
    put_rows(project, Partition("m", "2026-01"), [at("23:59")])
    run_stages(project.path, "aggregate", "apply")
    return Project(project.path)


def votes(project, name):
    """Votes of a labeling function by partition and row."""
    found = {}
    for partition in project.store.partitions(Layout.VOTES):
        ids = project.rows(partition.stream, partition.dt)["id"]
        found |= {
            (str(partition), id_): v
            for id_, v in zip(ids, project.votes(partition.stream, partition.dt)[name], strict=True)
        }
    return found


def tasks(project, name):
    (stage,) = (stage for stage in STAGES if stage.name == name)
    return {task.key: task.reason for task in stage.plan(project, project.select()).tasks}


def test_a_burst_is_seen_from_the_next_pane_on(project):
    votes_for = {row for row, vote in votes(project, "bursts").items() if vote == 1}
    ann = [("a/2026-01-30", "ann 10:10"), *(("b/2026-01-30", f"ann 10:{minute}") for minute in (20, 30))]
    assert votes_for == {*ann, ("b/2026-01-30", "bob 11:10"), ("b/2026-01-31", "ann 00:01")}
    assert {row for row, vote in votes(project, "busy").items() if vote == 1} == {("b/2026-01-31", "ann 00:01")}


def test_a_late_record_changes_the_votes_of_later_panes_of_its_key_and_no_others(project):
    def put(*more):
        put_rows(project, LATE, [at("08:10"), at("10:10"), at("08:50", "bob"), *more])
        run_stages(project.path, "aggregate")
        return tasks(Project(project.path), "apply")

    before = votes(project, "bursts")
    assert put(at("12:00", "carl")) == {"a/2026-01-30": "rows changed"}, "nobody else wrote as carl"
    assert put(at("11:00")).keys() == {"a/2026-01-30", "b/2026-01-31"}, "all that ann wrote elsewhere is earlier"
    reasons = put(at("08:30"))
    assert reasons["b/2026-01-30"] == "past of bursts changed"
    assert reasons.keys() == {"a/2026-01-30", "b/2026-01-30", "b/2026-01-31"}
    run_stages(project.path, "apply")
    now = votes(Project(project.path), "bursts")
    assert {row for row in before if before[row] != now[row]} == {("b/2026-01-30", "ann 09:20")}
    data = published(project.path)
    shutil.rmtree(project.path / "data" / Layout.VOTES)
    shutil.rmtree(project.path / "data" / Layout.AGGREGATES)
    shutil.rmtree(project.path / ".beambell")
    run_stages(project.path, "aggregate", "apply")
    assert published(project.path) == data
    assert not tasks(Project(project.path), "aggregate")
    assert not tasks(Project(project.path), "apply")


def test_an_hour_is_selected_with_the_day_that_is_seen_from_it(project):
    data = published(project.path)
    for kind in (Layout.VOTES, Layout.AGGREGATES):
        shutil.rmtree(project.path / "data" / kind)
    put_rows(project, Partition("h", "2026-01-30T22"), [at("22:30", "bob")])
    run_stages(project.path, "apply", end="2026-01-30T09")
    ours = published(project.path)
    assert {name for name in ours if name.startswith("votes/") and ours[name] == data[name]}
    run_stages(project.path, "aggregate", "apply")
    assert {row for row, vote in votes(project, "bursts").items() if vote == 1} >= {("h/2026-01-30T22", "bob 22:30")}


def test_lineage_of_votes_names_the_panes(project):
    found = trace(project, "votes b/2026-01-30")
    seen = {node.name.partition("/")[2] for node in found.nodes.values() if node.kind == "aggregate"}
    assert {"panes=hour/stream=a/dt=2026-01-30", "panes=hour/stream=h/dt=2026-01-30T07"} <= seen
    assert not any("stream=m" in name for name in seen if name.startswith("panes="))


def test_functions_without_panes_keep_their_tables_and_votes(tmp_path):
    plain = small_project(tmp_path / "plain", days=3, scale=0.02, beam={"rows_per_item": 7})
    run_stages(plain, "ingest", "aggregate", "apply")
    paned = small_project(tmp_path / "paned", days=3, scale=0.02)
    lfs = paned / "labeling_functions" / "spam.py"
    lfs.write_text(lfs.read_text().replace("window_days=1, label=SPAM", 'window_days=1, pane="10min", label=SPAM'))
    run_stages(paned, "ingest", "aggregate", "apply")
    ours, theirs = ({k: v for k, v in published(p).items() if k.startswith("aggregates/")} for p in (paned, plain))
    assert {name: data for name, data in ours.items() if "panes=" not in name} == theirs
    assert sum("panes=10min" in name and name.endswith(".parquet") for name in ours) == 6
    one, other = ({n: Project(p).votes("comments", "2026-01-03")[n] for n in NAMES} for p in (paned, plain))
    assert [n for n in NAMES if not one[n].equals(other[n])] == ["said_before"]
    assert ((one["said_before"] == 1) >= (other["said_before"] == 1)).all()
    data = published(paned)
    shutil.rmtree(paned / "data" / Layout.AGGREGATES)
    shutil.rmtree(paned / "data" / Layout.VOTES)
    change_params(paned, beam={"rows_per_item": 7})
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        run_stages(paned, "aggregate", "apply", end=day)
    assert published(paned) == data
    assert verify(Project(paned).store, deep=True).errors == ()


NAMES = ("known_spammer", "good_record", "said_before")
