"""The whole way on a small project: every stage real, every promise looked at."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from projects import change_params, published, run_stages, small_project, tree_bytes

from beambell import Project
from beambell.errors import ArtefactError, UsageError
from beambell.history.tables import with_histories
from beambell.label_model import SnorkelLabelModel
from beambell.labeling import evaluate
from beambell.stages.ingest import balance
from beambell.state import PatternCounts
from beambell.store import Layout, Partition


def partitions(project: Project) -> list[Partition]:
    return list(project.store.partitions(Layout.PARTITIONS))


def test_no_record_is_lost(finished):
    books = balance(finished)
    assert books["unexplained"] == 0
    assert books["records"] > 300
    assert books["duplicates"] > 0


def test_late_rows_are_in_the_partition_of_their_event(finished):
    rows = finished.rows("comments", "2026-01-01")
    assert set(rows["ts"].dt.strftime("%Y-%m-%d")) == {"2026-01-01"}
    assert {"data/raw/comments/2026-01-01.csv", "data/raw/comments/2026-01-02.csv"} <= set(rows["_file"])


def test_votes_are_those_of_the_plain_evaluation(finished):
    for partition in partitions(finished):
        rows = finished.rows(partition.stream, partition.dt, "arrow")
        votes = finished.votes(partition.stream, partition.dt)
        rows = with_histories(finished.store, finished.params, finished.catalogue, partition, rows)
        expected = evaluate(finished.catalogue.lfs, rows, cardinality=2, stream=partition.stream)
        assert list(votes.columns) == ["id", *finished.catalogue.names]
        assert set(votes.dtypes.iloc[1:]) == {np.dtype("int8")}
        np.testing.assert_array_equal(votes.iloc[:, 1:].to_numpy(), expected.votes)
        assert votes["id"].tolist() == rows["id"].to_pylist()


def test_the_state_is_the_sum_of_all_votes(finished):
    stacked = pd.concat([finished.votes(p.stream, p.dt) for p in partitions(finished)]).iloc[:, 1:].to_numpy()
    assert finished.state() == PatternCounts.from_votes(stacked, 2, finished.catalogue.names)


def test_the_label_model_is_snorkel_s_on_all_rows(finished):
    from snorkel.labeling.model import LabelModel

    stacked = pd.concat([finished.votes(p.stream, p.dt) for p in partitions(finished)]).iloc[:, 1:].to_numpy()
    theirs = LabelModel(cardinality=2, verbose=False)
    theirs.fit(stacked, n_epochs=50, seed=123, progress_bar=False)
    ours = finished.label_model()
    assert isinstance(ours, SnorkelLabelModel)
    np.testing.assert_array_equal(ours.predict_proba(stacked), theirs.predict_proba(stacked))


def test_labels_are_the_label_model_s_posteriors(finished):
    model = finished.label_model()
    for partition in partitions(finished):
        votes = finished.votes(partition.stream, partition.dt).iloc[:, 1:].to_numpy()
        labels = finished.labels(partition.stream, partition.dt)
        covered = (votes >= 0).any(axis=1)
        proba = model.predict_proba(votes[covered])
        np.testing.assert_allclose(labels.loc[covered, ["p_ham", "p_spam"]], proba, atol=1e-6)
        assert labels.loc[~covered, ["p_ham", "p_spam", "entropy"]].isna().all(axis=None)
        assert (labels.loc[~covered, "label"] == -1).all()


def test_the_gold_labels_never_reach_a_labeling_function(finished):
    columns = set(finished.rows("comments", "2026-01-01").columns) | set(
        finished.rows("messages", "2026-01-01").columns
    )
    assert not columns & {"label", "gold"}


def test_every_label_traces_to_what_made_it(finished):
    store = finished.store
    model = store.read(Layout.LABEL_MODEL)
    for partition, labels in store.partitions(Layout.LABELS).items():
        votes = store.read(Layout.of(Layout.VOTES, partition))
        rows = store.read(Layout.of(Layout.PARTITIONS, partition))
        assert labels.inputs == {"votes": votes.files["votes"].sha256, "label_model": model.id}
        assert votes.inputs["rows"] == rows.files["rows"].sha256
        assert set(rows.facts["sources"]) == set(rows.inputs)


def test_a_registered_model_names_all_that_made_it(finished):
    version = finished.store.read(Layout.version("spam", 1))
    lineage = version.facts["lineage"]
    assert lineage["lfs"] == dict(finished.catalogue.fingerprints)
    assert set(lineage["labels"]) == {str(partition) for partition in partitions(finished)}
    assert list(lineage["label_models"]) == [finished.store.read(Layout.LABEL_MODEL).id]


def test_nothing_runs_twice(finished):
    before = tree_bytes(finished.path / "data")
    outcomes = run_stages(finished.path)
    assert [outcome.done for outcome in outcomes.values()] == [0] * len(outcomes)
    assert tree_bytes(finished.path / "data") == before


def test_no_time_and_no_path_of_a_machine_is_in_an_artefact(finished):
    for name, content in published(finished.path).items():
        assert str(finished.path).encode() not in content, name


def test_another_folder_gives_the_same_bytes(finished, tmp_path):
    folder = small_project(tmp_path / "elsewhere")
    run_stages(folder)
    assert tree_bytes(folder / "data") == tree_bytes(finished.path / "data")


def test_day_by_day_and_all_at_once_give_the_same_bytes(finished, tmp_path):
    folder = small_project(tmp_path / "daily")
    raw, away = folder / "data" / "raw", tmp_path / "away"
    shutil.move(raw, away)
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        for file in sorted(away.glob(f"*/{day}.*")):
            target = raw / file.relative_to(away)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        outcomes = run_stages(folder)
        assert outcomes["ingest"].done == 2
    ours, theirs = published(folder), published(finished.path)
    kinds = (
        "partitions",
        "deliveries",
        "aggregates",
        "votes",
        "state",
        "label_models",
        "candidates",
        "labels",
        "verdicts",
    )
    for kind in kinds:
        assert {n: b for n, b in ours.items() if n.startswith(f"{kind}/")} == {
            n: b for n, b in theirs.items() if n.startswith(f"{kind}/")
        }, kind


def test_a_selection_by_day_reads_that_day_s_files_only(tmp_path):
    folder = small_project(tmp_path)
    outcome = run_stages(folder, "ingest", start="2026-01-02", end="2026-01-02")["ingest"]
    assert outcome.done == 2
    assert ("comments", "2026-01-03") not in {(p.stream, p.dt) for p in partitions(Project(folder))}


def test_a_redelivered_file_replaces_its_rows(tmp_path):
    folder = small_project(tmp_path)
    run_stages(folder, "ingest")
    whole = tree_bytes(folder / "data" / "partitions")
    file = folder / "data" / "raw" / "comments" / "2026-01-02.csv"
    original = file.read_bytes()
    file.write_bytes(b"".join(original.splitlines(keepends=True)[:10]))
    run_stages(folder, "ingest")
    assert len(Project(folder).rows("comments", "2026-01-02")) < 60
    assert balance(Project(folder))["unexplained"] == 0
    file.write_bytes(original)
    run_stages(folder, "ingest")
    published_now = {name: content for name, content in published(folder).items() if name.startswith("partitions/")}
    assert published_now == {f"partitions/{name}": content for name, content in whole.items()}


def test_a_file_that_left_the_landing_zone_keeps_its_rows(tmp_path):
    keep = {"removed": "keep"}
    folder = small_project(tmp_path, streams={"comments": keep, "messages": keep})
    run_stages(folder, "ingest")
    before = balance(Project(folder))
    shutil.rmtree(folder / "data" / "raw")
    assert run_stages(folder, "ingest")["ingest"].done == 0
    assert balance(Project(folder)) == before


def test_editing_one_lf_runs_only_that_one(tmp_path):
    folder = small_project(tmp_path)
    n_lfs = len(Project(folder).catalogue.names)
    assert run_stages(folder, "ingest", "apply")["apply"].figures["voted"] == f"all {n_lfs} LFs"
    lfs = folder / "labeling_functions" / "spam.py"
    text = lfs.read_text()
    lfs.write_text(text.replace('    max=5,\n    unit="words"', '    max=6,\n    unit="words"'))
    from beambell.stages.apply import REUSE_NONE, find_work

    project = Project(folder)
    work, current = find_work(project, project.select())
    assert current == 0
    assert {item.reason for item in work} == {"LFs: short edited"}
    fresh = {lf.name for item in work for lf, column in zip(item.lfs, item.reuse, strict=True) if column == REUSE_NONE}
    assert fresh == {"short"}
    assert run_stages(folder, "apply")["apply"].figures["voted"] == f"short of {n_lfs} LFs"
    partition = Partition("comments", "2026-01-01")
    rows = project.rows(partition.stream, partition.dt, "arrow")
    rows = with_histories(project.store, project.params, project.catalogue, partition, rows)
    expected = evaluate(project.catalogue.lfs, rows, cardinality=2, stream="comments")
    np.testing.assert_array_equal(project.votes("comments", "2026-01-01").iloc[:, 1:].to_numpy(), expected.votes)
    lfs.write_text("# a comment\n" + lfs.read_text())
    assert run_stages(folder, "apply")["apply"].done == 0


def test_a_late_file_changes_the_state_by_what_it_brought(tmp_path):
    folder = small_project(tmp_path)
    late = folder / "data" / "raw" / "messages" / "2026-01-03.jsonl.gz"
    kept = late.read_bytes()
    late.unlink()
    run_stages(folder, "ingest", "apply", "merge")
    late.write_bytes(kept)
    run_stages(folder, "ingest", "apply", "merge")
    project = Project(folder)
    stacked = [project.pattern_counts(p.stream, p.dt) for p in partitions(project)]
    assert project.state() == PatternCounts.sum(stacked)
    manifest = project.store.read(Layout.STATE)
    (folder / "data" / "state" / "manifest.json").unlink()
    run_stages(folder, "merge")
    assert project.store.read(Layout.STATE) == manifest


def test_the_choice_of_label_model_is_in_params(tmp_path):
    folder = small_project(tmp_path, label_model={"kind": "majority"})
    outcomes = run_stages(folder, "ingest", "apply", "merge", "fit", "label")
    assert outcomes["fit"].figures["kind"] == "majority"
    change_params(folder, label_model={"kind": "snorkel", "options": {"n_epochs": 10}})
    outcomes = run_stages(folder, "fit", "label")
    assert outcomes["fit"].figures["kind"] == "snorkel"
    assert outcomes["label"].done == 6


def test_only_the_window_is_relabelled(tmp_path):
    folder = small_project(tmp_path, label_model={"kind": "majority"}, labels={"relabel_days": 1})
    run_stages(folder, "ingest", "apply", "merge", "fit", "label")
    change_params(folder, label_model={"kind": "snorkel", "options": {"n_epochs": 10}})
    outcome = run_stages(folder, "fit", "label")["label"]
    assert (outcome.done, outcome.current) == (4, 2)


def test_the_notebook_s_way_in(finished):
    votes = finished.votes("comments", "2026-01-03")
    assert finished.votes("comments", "2026-01-03", "arrow").num_rows == len(votes)
    with pytest.raises(UsageError, match="there is no stream 'mails'"):
        finished.votes("mails", "2026-01-03")
    with pytest.raises(UsageError, match="not a partition's date"):
        finished.votes("comments", "../x")
    with pytest.raises(ArtefactError, match="nothing is published here"):
        finished.votes("comments", "2027-01-01")
