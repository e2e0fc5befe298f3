"""Stateful labeling functions the whole way: the votes of a computation by hand, whatever came in which order."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from histories import aggregate, begins, closes, histories_at, put_rows, values_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from projects import change_params, published, run_stages, small_project, write_params

from beambell import Project
from beambell.history.tables import with_histories
from beambell.stages.apply import find_work as find_votes_work
from beambell.store import Layout, Partition
from beambell.views.lineage import trace

LFS = """
from beambell.labeling import keyword, stateful_labeling_function as stateful, text_hash
from beambell.labeling.aggregates import count, distinct_days, last_seen, total

free = keyword("free", any_of=["free"], label=1)

@stateful(key="author", aggregate=count(), label=1)
def busy(row, past):
    return past >= 2

@stateful(key="author", aggregate=count(), window_days=2, label=1)
def busy_lately(row, past):
    return past >= 2

@stateful(key=("author", text_hash("text")), aggregate=count(), where=free | ~free, label=1)
def repeats_itself(row, past):
    return past >= 1

@stateful(key="author", aggregate=distinct_days(), where=free, of_streams=("a", "m"), label=1)
def days(row, past):
    return past >= 2

@stateful(key="author", aggregate=total("likes"), window_days=40, streams=("a", "h"), label=1)
def liked(row, past):
    return past > 3

@stateful(key="author", aggregate=last_seen(), label=1)
def seen_lately(row, past):
    return past is not None and row.ts is not None and (row.ts - past).days < 3
"""

STREAM = {"fields": {"author": "string", "likes": "int"}, "inputs": ["data/raw/{dt}.csv"]}
PARAMS = {
    "project": "past",
    "classes": ["ham", "spam"],
    "streams": {
        "a": STREAM,
        "h": {**STREAM, "grain": "hour"},
        "m": {**STREAM, "grain": "month"},
    },
    "lfs": {"modules": ["past_lfs"]},
    "label_model": {"kind": "majority"},
}


# -- by hand -------------------------------------------------------------------------------------------------------


def by_hand(lf, key_of, where, streams, value, rows_of, partition):
    """The values of the past of each row of a partition, by a loop over all rows there are."""
    end = begins(partition.dt)
    seen = defaultdict(list)
    for other, rows in rows_of.items():
        start = end - timedelta(days=lf.window_days or 10**5)
        if other.stream in streams and start <= closes(other.dt) < end:
            for row in rows:
                if key_of(row) is not None and where(row):
                    seen[key_of(row)].append((closes(other.dt), row))
    return [value(seen.get(key_of(row), []) if key_of(row) is not None else []) for row in rows_of[partition]]


def pair(row):
    if None in (row["author"], row["text"]):
        return None
    return row["author"], " ".join(row["text"].casefold().split())


HAND = {
    "busy": (lambda r: r["author"], lambda r: True, "ahm", len),
    "busy_lately": (lambda r: r["author"], lambda r: True, "ahm", len),
    "repeats_itself": (pair, lambda r: r["text"] is not None, "ahm", len),
    "days": (
        lambda r: r["author"],
        lambda r: "free" in (r["text"] or "").casefold(),
        "am",
        lambda s: len({day for day, _ in s}),
    ),
    "liked": (lambda r: r["author"], lambda r: True, "ahm", lambda s: float(sum(r["likes"] or 0 for _, r in s))),
    "seen_lately": (
        lambda r: r["author"],
        lambda r: True,
        "ahm",
        lambda s: max((r["ts"] for _, r in s if r["ts"]), default=None),
    ),
}

names = st.sampled_from(["ann", "bob", "ann\x1fbob", "", None])
texts = st.sampled_from(["free beer", "Free  BEER", "hello", "", None])
row = st.fixed_dictionaries({"author": names, "text": texts, "likes": st.one_of(st.none(), st.integers(-3, 5))})
dates = st.one_of(
    st.tuples(st.just("a"), st.integers(25, 31).map(lambda d: f"2026-01-{d}")),
    st.tuples(st.just("h"), st.integers(27, 31).map(lambda d: f"2026-01-{d}T{d - 20:02d}")),
    st.tuples(st.just("m"), st.sampled_from(["2025-12", "2026-01", "2026-02"])),
)
arrivals = st.lists(st.tuples(dates, st.lists(row, max_size=5)), min_size=3, max_size=7)


def bare_project(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    write_params(folder, PARAMS)
    (folder / "past_lfs.py").write_text(LFS)
    return Project(folder)


@settings(
    max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)  # every file is synced: shrinking takes minutes
@given(arrivals)
def test_votes_are_those_of_a_computation_by_hand_in_any_order_of_arrival(arriving):
    with tempfile.TemporaryDirectory() as folder:
        project, rows_of = bare_project(Path(folder) / "one"), {}
        for (stream, dt), rows in arriving:  # late ones and replaced ones among them
            partition = Partition(stream, dt)
            opening = histories_at(project, stream, dt)
            rows_of[partition] = put_rows(project, partition, rows)
            aggregate(project)
            table = project.rows(stream, dt, "arrow")
            batch = with_histories(project.store, project.params, project.catalogue, partition, table)
            for name, past in opening.items():
                lf = project.catalogue[name]
                live = lf.with_history(table, past, stream)
                assert values_of(lf, live) == values_of(lf, batch), (partition, name, "before there were rows of it")
        for partition in rows_of:
            rows = project.rows(partition.stream, partition.dt, "arrow")
            rows = with_histories(project.store, project.params, project.catalogue, partition, rows)
            for name, (key_of, where, streams, value) in HAND.items():
                lf = project.catalogue[name]
                if lf.votes_on(partition.stream):
                    expected = by_hand(lf, key_of, where, streams, value, rows_of, partition)
                    assert values_of(lf, rows) == expected, (partition, name)
        other = bare_project(Path(folder) / "other")
        for partition in sorted(rows_of):
            plain = [{k: v for k, v in row.items() if k not in ("id", "ts")} for row in rows_of[partition]]
            put_rows(other, partition, plain)
        aggregate(other)
        assert published(other.path) == published(project.path)


# -- through the stages ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """A project of a week, applied all at once; not to be changed."""
    folder = small_project(tmp_path_factory.mktemp("applied"), days=5, scale=0.02, beam={"rows_per_item": 50})
    run_stages(folder, "ingest", "aggregate", "apply")
    return folder


def votes_of(folder):
    return {name: data for name, data in published(folder).items() if name.startswith(("votes/", "aggregates/"))}


def test_the_votes_use_the_past(applied):
    project = Project(applied)
    names = ["known_spammer", "good_record", "said_before"]
    first, last = (project.votes("comments", f"2026-01-{day:02d}")[names] for day in (1, 5))
    assert (first == -1).all(axis=None)
    assert (last != -1).any(axis=0).all()
    inputs = project.store.read("votes/stream=comments/dt=2026-01-05").inputs
    assert set(inputs) == {"rows", "lfs", *(f"past of {name}" for name in names)}


def test_a_vote_is_traced_through_its_past_to_the_rows_it_counted(applied, tmp_path):
    found = trace(Project(applied), "votes comments/2026-01-04")
    assert found.made_from["past of known_spammer on comments/2026-01-04"]
    partitions = {node.name for node in found.nodes.values() if node.kind == "partition"}
    before = {f"{stream}/2026-01-{day:02d}" for stream in ("comments", "messages") for day in (1, 2, 3)}
    assert partitions == {*before, "comments/2026-01-04"}
    used = trace(Project(applied), "partition messages/2026-01-02").made_with
    assert "votes comments/2026-01-05" in used["past of good_record on comments/2026-01-05"]
    assert "past of good_record on comments/2026-01-02" not in used
    folder = shutil.copytree(applied, tmp_path / "edited")
    lfs = folder / "labeling_functions" / "spam.py"
    lfs.write_text(lfs.read_text().replace(">= 10", ">= 11"))
    found = trace(Project(folder), "votes comments/2026-01-04")
    assert "past of said_before on comments/2026-01-04" not in found.made_from, "nobody knows what it was"
    known = {name: "tables" not in found.nodes[f"past of {name} on comments/2026-01-04"].facts for name in STATEFUL}
    assert known == {"known_spammer": True, "good_record": True, "said_before": False}
    lfs.write_text("not Python")
    assert trace(Project(folder), "votes comments/2026-01-04").nodes


def test_part_by_part_and_apply_alone_give_the_same_votes(applied, tmp_path):
    folder = tmp_path / "parts"
    shutil.copytree(applied, folder, ignore=shutil.ignore_patterns("aggregates", "votes", ".beambell"))
    run_stages(folder, "apply", streams=["messages"], start="2026-01-04", end="2026-01-04")
    project = Project(folder)
    place = "votes/stream=messages/dt=2026-01-04/manifest.json"
    assert (folder / "data" / place).read_bytes() == (applied / "data" / place).read_bytes()
    assert list(project.store.partitions(Layout.VOTES)) == [Partition("messages", "2026-01-04")]
    run_stages(folder, "apply", end="2026-01-02")
    run_stages(folder, "aggregate", "apply")
    assert votes_of(folder) == votes_of(applied)


def test_how_the_work_is_cut_does_not_matter(applied, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(applied, folder, ignore=shutil.ignore_patterns("aggregates", "votes", ".beambell"))
    change_params(folder, beam={"rows_per_item": 2})  # more shards than are merged at once
    run_stages(folder, "aggregate")
    ours, theirs = votes_of(folder), votes_of(applied)
    assert ours == {name: data for name, data in theirs.items() if name.startswith("aggregates/")}


def test_a_late_partition_changes_the_votes_that_depend_on_it_and_no_others(applied, tmp_path):
    folder = tmp_path / "late"
    shutil.copytree(applied, folder, ignore=shutil.ignore_patterns("aggregates", "votes", ".beambell"))
    late = Partition("messages", "2026-01-02")
    place = folder / "data" / Layout.of(Layout.PARTITIONS, late)
    shutil.move(place, tmp_path / "away")
    run_stages(folder, "apply")
    project = Project(folder)
    before = {p: m.id for p, m in project.store.partitions(Layout.VOTES).items()}
    shutil.move(tmp_path / "away", place)
    whole = Project(applied).store.partitions(Layout.VOTES)
    dependent = {p for p in before if before[p] != whole[p].id}
    assert {p.dt for p in dependent} <= {"2026-01-03", "2026-01-04", "2026-01-05"}
    assert dependent
    assert any("past of" in task.reason and "may change" in task.reason for task in plans(project, "apply"))
    run_stages(folder, "aggregate")
    reasons = {task.key: task.reason for task in plans(project, "apply")}
    assert set(reasons) == {str(p) for p in [*dependent, late]}
    assert reasons[str(late)] == "new partition"
    assert all("past of" in reasons[str(p)] and "changed" in reasons[str(p)] for p in dependent)
    work, _ = find_votes_work(Project(folder), project.select())
    changed = next(item for item in work if item.partition in dependent)
    again = {lf.name for lf, column in zip(changed.lfs, changed.reuse, strict=True) if column < 0}
    assert again <= {"known_spammer", "good_record", "said_before"}
    stamps = {p: (folder / "data" / Layout.of(Layout.VOTES, p) / "manifest.json").stat().st_mtime_ns for p in before}
    run_stages(folder, "apply")
    touched = {
        p
        for p in before
        if (folder / "data" / Layout.of(Layout.VOTES, p) / "manifest.json").stat().st_mtime_ns != stamps[p]
    }
    assert touched == dependent
    assert votes_of(folder) == votes_of(applied)


def plans(project, name):
    from beambell.stages.order import STAGES

    (stage,) = (stage for stage in STAGES if stage.name == name)
    return stage.plan(project, project.select()).tasks


def test_what_is_unchanged_is_recognised_without_reading_a_table(applied, tmp_path, monkeypatch):
    folder = tmp_path / "still"
    shutil.copytree(applied, folder)
    assert json.loads((folder / ".beambell" / "histories.json").read_text())
    for file in (folder / "data" / "aggregates").rglob("*.parquet"):
        file.unlink()
    assert not plans(Project(folder), "apply")


def test_an_edit_of_the_vote_keeps_the_aggregate_and_one_of_the_aggregate_makes_it_anew(applied, tmp_path):
    folder = tmp_path / "edited"
    shutil.copytree(applied, folder)
    lfs = folder / "labeling_functions" / "spam.py"
    text = lfs.read_text()
    lfs.write_text(text.replace('"""Say at length', '# a comment\n    """Say at length'))
    assert not plans(Project(folder), "aggregate")
    assert not plans(Project(folder), "apply")
    lfs.write_text(text.replace(">= 10", ">= 11"))
    assert not plans(Project(folder), "aggregate")
    assert {task.reason for task in plans(Project(folder), "apply")} == {"LFs: said_before edited"}
    lfs.write_text(text.replace("votes(rows) == SPAM", "votes(rows) != SPAM"))
    assert {task.reason for task in plans(Project(folder), "aggregate")} >= {"new by author"}
    assert {task.reason for task in plans(Project(folder), "apply")} == {"LFs: good_record, known_spammer edited"}


def test_without_stateful_functions_there_is_nothing_to_do_and_no_folder(tmp_path):
    folder = small_project(tmp_path, days=1, scale=0.01, lfs={"modules": ["plain"]})
    (folder / "plain.py").write_text(
        "from beambell.labeling import keyword\nfree = keyword('free', any_of=['free'], label=1)\n"
    )
    outcome = run_stages(folder, "ingest", "aggregate", "apply")["aggregate"]
    assert (outcome.done, outcome.current) == (0, 0)
    assert not (folder / "data" / "aggregates").exists()


# -- quality -----------------------------------------------------------------------------------------------------------


def test_the_past_raises_the_quality_of_labels(tmp_path):
    folder = small_project(tmp_path, days=8, scale=0.15)
    run_stages(folder, "ingest", "aggregate", "apply")
    accuracy = {"with": label_accuracy(folder, ()), "without": label_accuracy(folder, STATEFUL)}
    assert accuracy["with"] > accuracy["without"] + 0.03, accuracy


STATEFUL = ("known_spammer", "good_record", "said_before")


def label_accuracy(folder: Path, leave_out: tuple[str, ...]) -> float:
    """Accuracy, on all rows, of snorkel's label model on the votes; a row without votes is a coin's toss."""
    from beambell.label_model import SnorkelLabelModel
    from beambell.state import PatternCounts

    project = Project(folder)
    gold = pd.read_parquet(folder / "data" / "gold" / "gold.parquet")
    gold["_file"], gold["_line"] = "data/raw/" + gold["file"], gold["line"]
    names = [name for name in project.catalogue.names if name not in leave_out]
    votes, truth = [], []
    for p in project.store.partitions(Layout.VOTES):
        rows = project.rows(p.stream, p.dt).merge(gold[["_file", "_line", "label"]], on=["_file", "_line"], how="left")
        votes.append(project.votes(p.stream, p.dt)[names].to_numpy())
        truth.append(rows["label"].to_numpy())
    L, y = np.concatenate(votes), np.concatenate(truth)
    model = SnorkelLabelModel(n_epochs=100, seed=123, class_balance=[0.65, 0.35])
    model.fit(PatternCounts.from_votes(L, 2, names))
    right = np.where((L >= 0).any(axis=1), model.predict_proba(L).argmax(axis=1) == y, 0.5)
    return float(right.mean())
