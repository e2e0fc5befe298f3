"""Votes by what people said of a key's earlier rows: those of a computation by hand, made again when they must be."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pytest
from histories import aggregate, begins, closes, histories_at, put_rows, values_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from projects import change_params, published, run_stages, small_project, write_params

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.errors import LabelingFunctionError
from beambell.feedback.consensus import SALT
from beambell.history.tables import open_aggregates, with_histories
from beambell.records.split import holdout
from beambell.stages.apply import find_work as find_votes_work
from beambell.stages.feedback import add_event
from beambell.stages.order import STAGES, stage_named
from beambell.store import Layout, Manifest, Partition
from beambell.store.tables import read_table, write_table
from beambell.views.lineage import trace

LFS = """
from beambell.labeling import keyword, stateful_labeling_function as stateful
from beambell.labeling.aggregates import ANSWER, Aggregate, Column, feedback_rate
import pyarrow as pa

free = keyword("free", any_of=["free"], label=1)

@stateful(key="author", aggregate=feedback_rate(0), label=0)
def good(row, past):
    return past is not None and past >= 0.8

@stateful(key="author", aggregate=feedback_rate(1, min_reviewed=2), window_days=2, where=~free, label=1)
def spams_lately(row, past):
    return past is not None and past >= 0.8

class Highest(Aggregate):
    fields = ("likes", ANSWER)
    columns = {"highest": Column(pa.int64(), "max")}

    def of(self, rows):
        return {"highest": pa.compute.if_else(rows[ANSWER].is_valid(), rows["likes"], None)}

    def value(self, n, highest):
        return highest

@stateful(key="author", aggregate=Highest(), of_streams=("b",), label=1)
def liked(row, past):
    return past is not None
"""
STREAM = {"fields": {"author": "string", "likes": "int"}, "inputs": ["data/raw/{dt}.csv"]}
PARAMS = {
    "project": "rates",
    "classes": ["ham", "spam"],
    "streams": {"a": STREAM, "b": {**STREAM, "grain": "hour"}},
    "lfs": {"modules": ["rate_lfs"]},
    "feedback": {"evaluate": 0.3},
    "label_model": {"kind": "majority"},
}
FREE = "free"

rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from("pqrst"),  # a row may move to another partition, or be in several
        "author": st.sampled_from(["ann", "bob", None]),
        "text": st.sampled_from(["free beer", "hello"]),
        "likes": st.integers(0, 9),
    }
)
partitions = st.one_of(
    st.tuples(st.just("a"), st.integers(28, 31).map(lambda day: f"2026-01-{day}")),
    st.tuples(st.just("b"), st.integers(28, 31).map(lambda day: f"2026-01-{day}T0{day % 2}")),
)
arrival = st.tuples(partitions, st.lists(rows, max_size=4, unique_by=lambda row: row["id"]))
event = st.fixed_dictionaries(
    {
        "stream": st.sampled_from("ab"),
        "row_id": st.sampled_from("pqrst"),
        "verdict": st.sampled_from(["label:spam", "label:ham", "not_a_class", "unsure"]),
        "reviewer": st.sampled_from(["ada", "bob"]),
        "time": st.integers(10, 59).map(lambda minute: f"2026-03-01T00:{minute}:00Z"),
    }
)


def bare_project(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    write_params(folder, PARAMS)
    (folder / "rate_lfs.py").write_text(LFS)
    return Project(folder)


def say(project: Project, said: dict) -> None:
    verdict, _, label = said["verdict"].partition(":")
    add_event(project, **{**said, "verdict": verdict, "label": label or None})


def answers_by_hand(events: list[dict]) -> dict[tuple[str, str], str]:
    """What people agree on of each row that does not merely measure."""
    latest: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for said in sorted(events, key=lambda said: said["time"]):
        latest[said["stream"], said["row_id"]][said["reviewer"]] = said["verdict"]
    found = {}
    for (stream, row), by_reviewer in latest.items():
        given = Counter(verdict for verdict in by_reviewer.values() if verdict != "unsure").most_common()
        decided = len(given) == 1 or (len(given) > 1 and given[0][1] > given[1][1])
        if decided and not holdout([f"{stream}/{row}"], 0.3, salt=SALT)[0]:
            found[stream, row] = given[0][0]
    return found


def past_by_hand(rows_of, answers, partition, author, days, counted):
    """Rows of an author that were answered in earlier partitions, each in the last that it is in, with its answer."""
    last = {(p.stream, row["id"]): p for p in sorted(rows_of) for row in rows_of[p]}
    end = begins(partition.dt)
    for other, others in rows_of.items():
        if author is None or not end - timedelta(days=days) <= closes(other.dt) < end:
            continue
        for row in others:
            name = other.stream, row["id"]
            if row["author"] == author and counted(other, row) and last[name] == other and name in answers:
                yield row, answers[name]


def share(given, verdict, least):
    said = [answer == verdict for _, answer in given]
    return None if len(said) < least else sum(said) / len(said)


HAND = {
    "good": lambda past: share(list(past(10**5, lambda p, r: True)), "label:ham", 1),
    "spams_lately": lambda past: share(list(past(2, lambda p, r: FREE not in r["text"])), "label:spam", 2),
    "liked": lambda past: max((r["likes"] for r, _ in past(10**5, lambda p, r: p.stream == "b")), default=None),
}


histories = st.lists(st.one_of(arrival, event), min_size=6, max_size=12).filter(
    # Two answers of one reviewer at the same time: the greater id counts, which is not what is tested here.
    lambda steps: (
        len({(s["reviewer"], s["time"]) for s in steps if isinstance(s, dict)})
        == sum(isinstance(s, dict) for s in steps)
    )
)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # every file is synced: shrinking takes minutes


@settings(max_examples=8, phases=PHASES)
@given(histories, st.randoms())
def test_votes_are_those_of_a_computation_by_hand_whatever_comes_when(steps, random):
    votes_are_those_of_a_computation_by_hand(steps, random)


@pytest.mark.heavy
@settings(max_examples=100, phases=PHASES)
@given(histories, st.randoms())
def test_they_are_in_many_histories(steps, random):
    votes_are_those_of_a_computation_by_hand(steps, random)


def votes_are_those_of_a_computation_by_hand(steps, random):
    with tempfile.TemporaryDirectory() as folder:
        project, rows_of, events = bare_project(Path(folder) / "one"), {}, []
        for step in steps:
            if isinstance(step, dict):
                say(project, step)
                events.append(step)
            else:
                partition = Partition(*step[0])
                rows_of[partition] = put_rows(project, partition, step[1])
            if random.random() < 0.5:
                aggregate(project)
        aggregate(project)
        answers = answers_by_hand(events)
        for partition in rows_of:
            table = project.rows(partition.stream, partition.dt, "arrow")
            for name, past in histories_at(project, partition.stream, partition.dt).items():
                table = project.catalogue[name].with_history(table, past, partition.stream)
            as_of_the_day = table
            table = project.rows(partition.stream, partition.dt, "arrow")
            table = with_histories(project.store, project.params, project.catalogue, partition, table)
            for name, value in HAND.items():
                expected = [
                    value(lambda days, counted, a=a, p=partition: past_by_hand(rows_of, answers, p, a, days, counted))
                    for a in table["author"].to_pylist()
                ]
                assert values_of(project.catalogue[name], table) == expected, (partition, name)
                assert values_of(project.catalogue[name], as_of_the_day) == expected, (partition, name)
        other = bare_project(Path(folder) / "other")
        for said in random.sample(events, len(events)):
            say(other, said)
        for partition in sorted(rows_of):
            put_rows(other, partition, [{k: v for k, v in row.items() if k != "ts"} for row in rows_of[partition]])
        aggregate(other)
        assert published(other.path) == published(project.path)
        # The rows are of no delivery, and that is all that may be wrong with them.
        places = {finding.where.split("/")[0] for finding in verify(other.store, deep=True).errors}
        assert places <= {"partitions"}


# -- through the stages ----------------------------------------------------------------------------------------------

PLAIN = """
from beambell.labeling import keyword, stateful_labeling_function
from beambell.labeling.aggregates import count

free = keyword("free", any_of=["free"], label=1)

@stateful_labeling_function(key="author", aggregate=count(), fields=(), label=0)
def writes_often(row, past):
    return past >= 3
"""
PEOPLE = """
from beambell.labeling import stateful_labeling_function
from beambell.labeling.aggregates import feedback_rate

@stateful_labeling_function(key="author", aggregate=feedback_rate(1), fields=(), label=1)
def said_to_spam(row, past):
    return past is not None and past >= 0.8
"""
REVIEWED = Partition("comments", "2026-01-02")
FILE = "data/reviews/a.csv"


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """A project of some days, applied before anybody said anything; not to be changed."""
    folder = small_project(
        tmp_path_factory.mktemp("applied") / "project",
        days=4,
        scale=0.01,
        lfs={"modules": ["plain", "people"]},
        label_model={"kind": "majority", "options": {}},
    )
    (folder / "plain.py").write_text(PLAIN)
    (folder / "people.py").write_text(PEOPLE)
    run_stages(folder, "ingest", "aggregate", "apply")
    return folder


@pytest.fixture
def folder(applied, tmp_path):
    return shutil.copytree(applied, tmp_path / "project")


def fit_rows(folder: Path, *, measuring: bool = False) -> pd.DataFrame:
    """Rows of one partition by whether their feedback only measures."""
    found = Project(folder).rows(REVIEWED.stream, REVIEWED.dt)
    keys = [f"{REVIEWED.stream}/{row}" for row in found["id"]]
    return found[holdout(keys, Project(folder).params.feedback.evaluate, salt=SALT) == measuring]


def review(folder: Path, name: str, rows: pd.DataFrame, label: str = "spam") -> None:
    file = folder / "data" / "reviews" / name
    file.parent.mkdir(exist_ok=True)
    said = {"row_id": rows["id"], "stream": REVIEWED.stream, "label": label, "reviewer": "ada", "time": "2026-02-01"}
    pd.DataFrame(said).to_csv(file, index=False)


def reasons(folder: Path, name: str) -> dict[str, str]:
    (stage,) = (stage for stage in STAGES if stage.name == name)
    project = Project(folder)
    return {task.key: task.reason for task in stage.plan(project, project.select()).tasks}


def later_with(folder: Path, authors: set[str]) -> set[str]:
    """Partitions after the reviewed one with rows of these authors."""
    project = Project(folder)
    return {
        str(p)
        for p in project.store.partitions(Layout.PARTITIONS)
        if p.dt > REVIEWED.dt and authors & set(project.rows(p.stream, p.dt)["author"])
    }


def votes_and_aggregates(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in published(folder).items() if name.startswith(("votes/", "aggregates/"))}


def test_without_feedback_and_without_such_functions_nothing_is_made(folder):
    assert not (folder / "data" / "feedback").exists()
    assert not reasons(folder, "aggregate")
    review(folder, "a.csv", fit_rows(folder))
    change_params(folder, lfs={"modules": ["plain"]})
    assert not reasons(folder, "aggregate")
    outcome = run_stages(folder, "aggregate", "apply")["aggregate"]
    assert (outcome.done, reasons(folder, "apply")) == (0, {})
    assert not (folder / "data" / "feedback").exists()
    assert not (folder / "data" / "feedback").exists()


def test_feedback_changes_later_votes_of_the_function_that_asks_for_it_and_no_others(folder):
    rows = fit_rows(folder).head(8)
    authors = set(rows["author"])
    before = Project(folder).store.partitions(Layout.VOTES)
    review(folder, "a.csv", rows)
    assert reasons(folder, "feedback") == {FILE: "new file", "consensus": "new events"}
    assert set(reasons(folder, "apply").values()) == {"past of said_to_spam may change"}

    run_stages(folder, "feedback", "aggregate")
    expected = later_with(folder, authors)
    assert 0 < len(expected) < len(before)
    assert reasons(folder, "apply") == dict.fromkeys(expected, "past of said_to_spam changed")
    work, _ = find_votes_work(Project(folder), Project(folder).select())
    for item in work:
        assert [lf.name for lf, column in zip(item.lfs, item.reuse, strict=True) if column < 0] == ["said_to_spam"]

    run_stages(folder, "apply")
    after = Project(folder).store.partitions(Layout.VOTES)
    assert {str(p) for p in after if after[p] != before[p]} == expected
    voted = set()
    for p in after:
        joined = Project(folder).rows(p.stream, p.dt).merge(Project(folder).votes(p.stream, p.dt), on="id")
        voted |= set(joined[joined["said_to_spam"] == 1]["author"])
        assert (joined["said_to_spam"] == 1).equals(joined["author"].isin(authors) & (p.dt > REVIEWED.dt))
    assert voted

    scratch = folder.with_name("scratch")
    shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns("aggregates", "votes", ".beambell", "feedback"))
    run_stages(scratch, "feedback", "aggregate", "apply")
    assert votes_and_aggregates(scratch) == votes_and_aggregates(folder)


def test_only_what_changes_an_answer_makes_anything_again(folder):
    rows = fit_rows(folder)
    review(folder, "a.csv", rows.head(8))
    run_stages(folder, "feedback", "aggregate", "apply")
    before = votes_and_aggregates(folder)
    review(folder, "same.csv", rows.head(4))  # another file with the same events
    review(folder, "measuring.csv", fit_rows(folder, measuring=True))
    run_stages(folder, "feedback")
    assert not reasons(folder, "aggregate")
    assert not reasons(folder, "apply")
    assert votes_and_aggregates(folder) == before

    change_params(folder, feedback={"min_reviewers": 2})
    assert reasons(folder, "feedback") == {"consensus": "feedback in params.yaml changed"}
    run_stages(folder, "feedback", "aggregate")
    assert set(reasons(folder, "apply")) == later_with(folder, set(rows.head(8)["author"]))


def test_no_answer_of_a_row_that_measures_is_written_to_where_votes_come_from(folder):
    review(folder, "a.csv", Project(folder).rows(REVIEWED.stream, REVIEWED.dt))
    run_stages(folder, "feedback", "aggregate", "apply", "merge", "count")
    store = Project(folder).store
    consensus = store.require(Layout.FEEDBACK, "")
    said = read_table(store, Layout.FEEDBACK, consensus.files["rows"])
    usable = said.filter(pc.invert(said["evaluate"]))
    found = read_table(store, Layout.FEEDBACK, consensus.files["answers"])
    assert 0 < usable.num_rows < said.num_rows
    for name in ("stream", "dt", "row_id"):
        assert found[name].equals(usable[name])


def test_answers_of_earlier_versions_are_taken_back(folder):
    """They lay beside the aggregates; they are a file of the consensus, with the same digests, so no table changes."""
    review(folder, "a.csv", fit_rows(folder).head(8))
    run_stages(folder, "feedback", "aggregate")
    store = Project(folder).store
    now, tables = store.require(Layout.FEEDBACK, ""), votes_and_aggregates(folder)
    facts = {"partitions": now.facts["answers"], "batches": now.facts["batches"]}
    file = write_table(store, Layout.ANSWERS, "answers", read_table(store, Layout.FEEDBACK, now.files["answers"]))
    store.publish(Layout.ANSWERS, Manifest("answers", {"answers": file}, {}, facts))
    inputs = {name: digest for name, digest in now.inputs.items() if name != "format"}
    store.publish(Layout.FEEDBACK, Manifest("feedback", now.files, inputs, now.facts))
    assert not verify(Project(folder).store, deep=True).errors
    run_stages(folder, "feedback", "aggregate")
    assert Project(folder).store.read(Layout.ANSWERS) is None
    assert Project(folder).store.require(Layout.FEEDBACK, "") == now
    assert votes_and_aggregates(folder) == tables


def test_one_run_is_enough_and_so_are_runs_day_by_day(folder):
    review(folder, "a.csv", fit_rows(folder).head(8))
    (folder / "data" / "reviews" / "b.csv").write_text("row_id,label\nx,no such class\n")
    outcomes = run_stages(folder, "ingest", "feedback", "aggregate", "apply", "merge", "count")
    told = "\n".join(outcomes["feedback"].warnings)
    assert "b.csv: 1 records: 0 answers taken in, 0 skipped, 1 not understood" in told
    for stage in ("feedback", "aggregate", "apply", "merge", "count"):
        assert not reasons(folder, stage), stage
    other = folder.with_name("other")
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("aggregates", "votes", ".beambell", "feedback"))
    project = Project(other)
    assert stage_named("feedback").refresh(project, project.select()).done == 3  # two files, and the consensus
    for dt in sorted({partition.dt for partition in project.store.partitions(Layout.PARTITIONS)}):  # as Airflow does
        run_stages(other, "aggregate", "apply", end=dt)
    run_stages(other, "merge", "count")
    assert published(other) == published(folder)


def test_a_vote_is_traced_to_what_people_said(folder):
    review(folder, "a.csv", fit_rows(folder).head(8))
    run_stages(folder, "feedback", "aggregate", "apply")
    found = trace(Project(folder), "votes comments/2026-01-04")
    kinds = {node.kind for node in found.nodes.values()}
    assert {"feedback", "feedback batch"} <= kinds
    assert f"raw file {FILE}" in found.nodes
    assert "votes comments/2026-01-04" in trace(Project(folder), FILE).nodes


def test_a_class_that_does_not_exist_is_refused(tmp_path):
    project = bare_project(tmp_path)
    (tmp_path / "rate_lfs.py").write_text(LFS.replace("feedback_rate(0)", "feedback_rate(2)"))
    with pytest.raises(LabelingFunctionError, match=r"good.*feedback_rate\(2\) asks for a class"):
        open_aggregates(project.store, project.params, Project(tmp_path).catalogue)
