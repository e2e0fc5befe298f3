"""Feedback on a small project: from files of events to labels, whatever comes when."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from projects import change_params, published, run_stages, small_project

from beambell import Project
from beambell.arrays import NO_CLASS
from beambell.artefacts.gc import find_garbage
from beambell.artefacts.verify import verify
from beambell.cli import main
from beambell.demo.feedback_effect import show_effect
from beambell.demo.simulate import simulate_reviews
from beambell.errors import InputError, LabelModelError, UsageError
from beambell.feedback.batches import read_batches, read_events
from beambell.feedback.stored import read_counts
from beambell.stages import fit as fit_step
from beambell.stages import train as train_step
from beambell.stages.feedback import add_event
from beambell.stages.feedback_files import How
from beambell.stages.gold_rows import gold_of
from beambell.stages.import_answers import import_file
from beambell.stages.order import stage_named
from beambell.stages.row_index import FOLDER
from beambell.state import FeedbackCounts
from beambell.store import Layout, Selection
from beambell.views.feedback_views import show_feedback
from beambell.views.lineage import trace
from beambell.views.lm_views import compare_label_models
from beambell.workshop.lf_trial import try_lf
from beambell.workshop.reviewed import ReviewedPrecision
from beambell.workshop.sample import draw

LFS = """
- {kind: regex, name: link, pattern: 'https?://|www', label: spam}
- {kind: keyword, name: begs, any_of: [subscribe, channel, free, click], label: spam}
- {kind: length, name: brief, max: 60, label: ham}
"""
TO_LABELS = ("feedback", "count", "fit", "label", "validate")
ALL = Selection()
CLASSES = ["ham", "spam"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A project of two days whose rows are labelled by votes; not to be changed."""
    folder = small_project(
        tmp_path_factory.mktemp("labelled") / "project",
        days=2,
        scale=0.04,
        label_model={"kind": "dawid_skene", "options": {}},
        feedback={"inputs": ["reviews/*"]},
    )
    (folder / "lfs.yaml").write_text(LFS)
    change_params(folder, lfs={"modules": [], "files": ["lfs.yaml"]})
    run_stages(folder, "ingest", "apply", "merge", *TO_LABELS)
    return folder


@pytest.fixture
def folder(labelled, tmp_path):
    return shutil.copytree(labelled, tmp_path / "project")


def rows_of(folder, stream: str = "comments", dt: str = "2026-01-01") -> list[str]:
    return Project(folder).rows(stream, dt)["id"].tolist()


def write(folder, name: str, *events: dict) -> None:
    """Write a CSV file of events; what is not said is said of a spam comment by Ada."""
    usual = {"stream": "comments", "reviewer": "ada", "time": "2026-01-05T12:00:00Z"}
    (folder / "reviews").mkdir(exist_ok=True)
    pd.DataFrame([usual | event for event in events]).to_csv(folder / "reviews" / name, index=False)


def label_of(folder, row: str, stream: str = "comments", dt: str = "2026-01-01") -> dict:
    labels = Project(folder).labels(stream, dt, "arrow")
    (found,) = labels.filter(pc.equal(labels["id"], row)).to_pylist()
    return found


def split_of(folder) -> dict[str, bool]:
    store = Project(folder).store
    manifest = store.require(Layout.FEEDBACK, "")
    from beambell.store.tables import read_table

    rows = read_table(store, Layout.FEEDBACK, manifest.files["rows"])
    return dict(zip(rows["row_id"].to_pylist(), rows["evaluate"].to_pylist(), strict=True))


def test_without_feedback_nothing_is_published(labelled):
    store = Project(labelled).store
    assert store.read(Layout.FEEDBACK) is None
    assert "feedback" not in store.require(Layout.LABEL_MODEL, "").inputs


def test_a_reviewed_row_gets_its_answer_and_the_model_is_taught(folder):
    rows = rows_of(folder)[:40]
    before = {row: label_of(folder, row) for row in rows}
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows[:30]))
    outcomes = run_stages(folder, *TO_LABELS)
    assert outcomes["feedback"].figures == {
        "events": 30, "rows": 30, "labelled": 30, "contradicted": 0, "unknown": 0,
    }  # fmt: skip
    split = split_of(folder)
    for row in rows[:30]:
        label = label_of(folder, row)
        assert (label["label"], label["p_spam"], label["entropy"]) == (1, 1.0, 0.0)
        assert (label["source"], label["feedback"]) == ("feedback", "row")
        assert label["split"] == ("evaluate" if split[row] else "fit")
        assert label["covered"] == before[row]["covered"]
    taught = []
    for row in rows[30:]:
        label = label_of(folder, row)
        assert label["split"] is None
        if label["covered"]:
            assert (label["source"], label["feedback"]) == ("votes", "model")
            taught.append(label["p_spam"] != before[row]["p_spam"])
        else:
            assert (label["source"], label["label"], label["p_spam"]) == ("none", NO_CLASS, None)
    assert any(taught)
    model = Project(folder).store.require(Layout.LABEL_MODEL, "")
    assert label_of(folder, rows[0])["label_model"] == model.id[:16]
    assert model.facts["feedback"] == sum(not measures for measures in split.values())


def test_label_models_are_fitted_to_the_fit_part_only(folder):
    rows = rows_of(folder)
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows))
    run_stages(folder, *TO_LABELS)
    project, split = Project(folder), split_of(folder)
    assert 0 < sum(split.values()) < len(split)
    votes = project.votes("comments", "2026-01-01").set_index("id")
    for role, wanted in (("fit", False), ("evaluate", True)):
        mine = votes.loc[[row for row in rows if split[row] == wanted]].to_numpy()
        expected = FeedbackCounts.from_labels(mine, [1] * len(mine), 2, project.catalogue.names)
        assert read_counts(project.store, project.store.read(Layout.FEEDBACK_COUNTS), role) == expected


def test_answers_of_the_evaluating_part_move_no_other_label(folder):
    rows = rows_of(folder)
    write(folder, "a.csv", *({"row_id": row, "verdict": "unsure"} for row in rows))
    run_stages(folder, *TO_LABELS)
    measuring = [row for row, measures in split_of(folder).items() if measures]
    before = published(folder)
    write(folder, "b.csv", *({"row_id": row, "label": "spam", "time": "2026-01-06"} for row in measuring))
    outcomes = run_stages(folder, *TO_LABELS)
    assert outcomes["fit"].done == 0
    assert outcomes["label"].done == 1
    after = published(folder)
    changed = {
        name
        for name in before
        if name.startswith(("data/labels", "data/published")) and before[name] != after.get(name)
    }
    assert all("stream=comments/dt=2026-01-01" in name for name in changed)
    assert label_of(folder, measuring[0])["split"] == "evaluate"


def test_what_is_no_class_is_unlabelled_and_unsure_changes_nothing(folder):
    strange, doubtful = [row for row in rows_of(folder) if label_of(folder, row)["covered"]][:2]
    before = label_of(folder, doubtful)
    write(folder, "a.csv", {"row_id": strange, "verdict": "not_a_class"}, {"row_id": doubtful, "verdict": "unsure"})
    assert run_stages(folder, *TO_LABELS)["fit"].done == 0
    label = label_of(folder, strange)
    assert (label["label"], label["p_spam"], label["entropy"], label["source"]) == (-1, None, None, "feedback")
    assert label_of(folder, doubtful) == before


def test_an_uncovered_row_is_labelled_by_its_own_feedback_alone(folder):
    uncovered = [row for row in rows_of(folder) if not label_of(folder, row)["covered"]]
    write(folder, "a.csv", *({"row_id": row, "label": "ham"} for row in uncovered[:-1]))
    run_stages(folder, *TO_LABELS)
    assert {label_of(folder, row)["label"] for row in uncovered[:-1]} == {0}
    assert (label_of(folder, uncovered[-1])["label"], label_of(folder, uncovered[-1])["source"]) == (-1, "none")


def test_twice_the_same_is_nothing_new_in_any_order(folder, tmp_path):
    rows = rows_of(folder)
    first = [{"row_id": row, "label": "spam"} for row in rows[:9]]
    second = [{"row_id": row, "label": "ham", "reviewer": "bob"} for row in rows[5:12]]
    other = shutil.copytree(folder, tmp_path / "other")
    write(folder, "a.csv", *first)
    write(folder, "b.csv", *second)
    run_stages(folder, *TO_LABELS)
    assert [outcome.done for outcome in run_stages(folder, *TO_LABELS).values()] == [0] * len(TO_LABELS)
    write(other, "b.csv", *second)
    run_stages(other, *TO_LABELS)
    write(other, "a.csv", *first)
    run_stages(other, *TO_LABELS)
    assert published(folder) == published(other)
    labels = {name: data for name, data in published(folder).items() if "labels" in name}
    # The same events cut otherwise, repeated, under other names: other batches, the same labels.
    write(other, "c.csv", *second[::-1], *first, *first)
    outcomes = run_stages(other, *TO_LABELS)
    assert outcomes["fit"].done == outcomes["label"].done == 0
    assert {name: data for name, data in published(other).items() if "labels" in name} == labels


def test_a_removed_file_takes_nothing_back(folder):
    write(folder, "a.csv", {"row_id": rows_of(folder)[0], "label": "spam"})
    run_stages(folder, *TO_LABELS)
    (folder / "reviews" / "a.csv").unlink()
    assert [outcome.done for outcome in run_stages(folder, *TO_LABELS).values()] == [0] * len(TO_LABELS)


def test_feedback_on_a_row_that_comes_later_waits_for_it(folder):
    later = folder / "data" / "raw" / "comments" / "2026-01-03.csv"
    write(folder, "a.csv", {"row_id": "not-here-yet", "label": "spam"})
    assert run_stages(folder, *TO_LABELS)["feedback"].figures["unknown"] == 1
    assert show_feedback(Project(folder)).unknown_rows == ("comments/not-here-yet",)
    later.write_text("comment_id,text,created_at,author,video,likes\nnot-here-yet,a,2026-01-03T01:00:00Z,me,v,1\n")
    outcomes = run_stages(folder, "ingest", "apply", "merge", *TO_LABELS)
    assert outcomes["feedback"].figures["unknown"] == 0
    assert label_of(folder, "not-here-yet", dt="2026-01-03")["source"] == "feedback"


def test_a_file_half_bad_gives_its_good_half(folder):
    row = rows_of(folder)[0]
    good, bad = {"row_id": row, "label": "spam"}, {"row_id": row, "label": "egg"}
    write(folder, "a.csv", bad, good, bad | {"time": "never", "label": "ham"})
    with (folder / "reviews" / "a.csv").open("ab") as file:
        file.write(b'comments,ada,2026-01-05,"open\xff\n')
    (folder / "reviews" / "notes.txt").write_text("not a format of feedback")
    outcome = run_stages(folder, "feedback")["feedback"]
    assert outcome.figures["events"] == 1
    counted = "a.csv: 4 records: 1 answers taken in, 0 skipped, 3 not understood, because"
    assert any(counted in warning for warning in outcome.warnings)
    assert any("notes.txt: unknown format" in warning for warning in outcome.warnings)
    rejects = show_feedback(Project(folder)).rejects
    assert {"reviews/a.csv"} <= {reject["file"] for reject in rejects}
    assert {2, 4} <= {reject["line"] for reject in rejects}


def test_contradicting_reviewers_label_nothing(folder):
    row = next(row for row in rows_of(folder) if label_of(folder, row)["covered"])
    write(folder, "a.csv", {"row_id": row, "label": "spam"}, {"row_id": row, "label": "ham", "reviewer": "bob"})
    outcomes = run_stages(folder, *TO_LABELS)
    assert outcomes["feedback"].figures["contradicted"] == 1
    assert label_of(folder, row)["source"] == "votes"
    assert Project(folder).feedback()["verdict"].tolist() == ["undecided"]
    (contradiction,) = show_feedback(Project(folder)).contradictions
    assert (contradiction["row_id"], contradiction["verdict"], contradiction["agreement"]) == (row, "undecided", 0.5)


def test_an_edited_lf_s_votes_are_looked_up_again(folder):
    rows = rows_of(folder)[:20]
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows))
    run_stages(folder, *TO_LABELS)
    (folder / "lfs.yaml").write_text(
        LFS.replace("max: 60", "max: 65") + "- {kind: count, name: loud, of: '!', min: 1, label: spam}\n"
    )
    run_stages(folder, "apply", "merge")
    with pytest.raises(LabelModelError, match="beambell count"):
        fit_step.read_feedback(Project(folder), Project(folder).catalogue.names)
    assert run_stages(folder, "fit")["fit"].done  # and counts first, by the votes of now
    run_stages(folder, *TO_LABELS)
    project, split = Project(folder), split_of(folder)
    votes = project.votes("comments", "2026-01-01").set_index("id").loc[[row for row in rows if not split[row]]]
    expected = FeedbackCounts.from_labels(votes.to_numpy(), [1] * len(votes), 2, project.catalogue.names)
    assert fit_step.read_feedback(project, project.catalogue.names) == expected
    # A shadow LF's votes teach nothing.
    change_params(folder, lfs={"shadow": ["loud"]})
    run_stages(folder, *TO_LABELS)
    assert Project(folder).label_model().params()["feedback_counts"].sum() == expected.n_rows


def test_fit_counts_first_what_came_since(folder):
    row, rows = rows_of(folder)[0], rows_of(folder)[:20]
    run_stages(folder, "fit")
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows))
    run_stages(folder, "feedback")
    (task,) = stage_named("fit").plan(Project(folder), ALL).tasks
    assert task.reason == "feedback changed"
    fitted = run_stages(folder, "fit")["fit"]
    assert fitted.done == 1
    assert fitted.figures["feedback"] == sum(not part for part in (split_of(folder)[row] for row in rows))
    assert run_stages(folder, "count", "fit")["fit"].is_idle
    # Said again by another person: the rows are the same, the counts too, and nothing is fitted again.
    write(folder, "b.csv", {"row_id": row, "label": "spam", "reviewer": "ada"})
    run_stages(folder, "feedback")
    assert run_stages(folder, "fit")["fit"].is_idle


def test_feedback_on_lfs_counts_for_them_and_labels_nothing(folder):
    project = Project(folder)
    votes = project.votes("comments", "2026-01-01").set_index("id")
    brief = votes.index[votes["brief"] >= 0][:3].tolist()
    before = label_of(folder, brief[0])
    write(
        folder, "a.csv",
        {"row_id": brief[0], "verdict": "lf_wrong", "lf": "brief"},
        {"row_id": brief[1], "verdict": "lf_right", "lf": "brief"},
        {"row_id": brief[2], "label": "ham"},
        {"row_id": brief[2], "verdict": "lf_wrong", "lf": "brief"},
    )  # fmt: skip
    run_stages(folder, "feedback")
    lf = next(lf for lf in show_feedback(Project(folder)).lfs if lf.name == "brief")
    assert (lf.precision.right, lf.precision.rows, lf.by_label, lf.by_verdict) == (2, 3, 1, 2)
    run_stages(folder, *TO_LABELS)
    assert label_of(folder, brief[0])["label"] == before["label"]
    assert label_of(folder, brief[0])["source"] == "votes"


def test_a_whole_data_root_is_verified_and_nothing_of_feedback_is_garbage(folder):
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows_of(folder)[:20]))
    run_stages(folder)
    write(folder, "b.csv", *({"row_id": row, "label": "ham"} for row in rows_of(folder, dt="2026-01-02")[:20]))
    run_stages(folder)
    store = Project(folder).store
    assert not verify(store, deep=True).findings
    before = published(folder)
    garbage = find_garbage(store, keep_history=0)
    assert any(name.startswith("feedback/consensus/") for name in garbage.files)
    for name in garbage.files:
        store.files.remove(name)
    assert published(folder) == before
    assert not verify(store, deep=True).findings


def test_lineage_goes_from_a_file_of_feedback_to_the_labels_and_back(folder):
    rows = rows_of(folder)
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows[:20]))
    run_stages(folder, *TO_LABELS)
    project = Project(folder)
    made = trace(project, "reviews/a.csv")
    kinds = {made.nodes[key].kind for keys in made.made_with.values() for key in keys}
    assert {"feedback batch", "feedback", "label model", "labels"} <= kinds
    found = trace(project, f"comments/2026-01-01/{rows[0]}")
    assert "raw file reviews/a.csv" in found.nodes
    assert (found.label.source, found.label.feedback) == ("feedback", "row")
    (event,) = found.label.events
    assert (event["reviewer"], event["label"], event["file"]) == ("ada", "spam", "reviews/a.csv")


def test_the_index_of_rows_is_a_cache(folder):
    write(folder, "a.csv", {"row_id": rows_of(folder)[0], "label": "spam"})
    run_stages(folder, "feedback")
    manifest = Project(folder).store.require(Layout.FEEDBACK, "")
    files = sorted((folder / ".beambell" / FOLDER).rglob("*.npy"))
    assert files
    files[0].write_bytes(b"torn")
    (files[0].parent / "of-votes-that-are-gone.npy").write_bytes(b"")
    write(folder, "b.csv", {"row_id": rows_of(folder)[1], "label": "spam"})
    run_stages(folder, "feedback")
    assert Project(folder).store.require(Layout.FEEDBACK, "").facts["unknown"] == 0 == manifest.facts["unknown"]
    assert sorted((folder / ".beambell" / FOLDER).rglob("*.npy")) == files


def test_one_event_by_hand(folder):
    row = rows_of(folder)[0]
    said = {"row_id": row, "stream": "comments", "label": "spam", "reviewer": "ada", "time": "2026-01-05"}
    added = add_event(Project(folder), **said)
    assert (added.new, added.partitions) == (True, ("comments/2026-01-01",))
    assert not add_event(Project(folder), **said).new
    assert add_event(Project(folder), **said | {"row_id": "nobody"}).partitions == ()
    run_stages(folder, *TO_LABELS)
    assert label_of(folder, row)["source"] == "feedback"
    add_event(Project(folder), withdraws=added.event_id, reviewer="bob", time="2026-01-06")
    run_stages(folder, *TO_LABELS)
    assert label_of(folder, row)["source"] != "feedback"
    with pytest.raises(UsageError, match="none of the classes"):
        add_event(Project(folder), **said | {"label": "egg"})


def test_a_file_imported_by_hand(folder, tmp_path):
    row = rows_of(folder)[0]
    file = tmp_path / "labels.csv"
    file.write_text(f"row_id,label\n{row},spam\n{row},egg\n")
    told = {"stream": "comments", "reviewer": "ada", "time": "2026-01-05"}
    imported = import_file(Project(folder), file, How(told))
    assert (imported.file, imported.new, imported.events, imported.quarantined) == ("labels.csv", True, 1, 1)
    assert imported.rejects[0][0] == 3
    assert not import_file(Project(folder), file, How(told)).new
    run_stages(folder, *TO_LABELS)
    assert label_of(folder, row)["source"] == "feedback"
    with pytest.raises(InputError, match="no such file"):
        import_file(Project(folder), tmp_path / "nothing.csv")


def command(capsys, *words: str) -> tuple[int, dict]:
    try:
        main([*words, "--json"])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    return code, json.loads(capsys.readouterr().out)


def test_the_commands_speak_json_and_have_exit_codes(folder, tmp_path, capsys):
    here = ("--project", str(folder))
    add = ("feedback", "add", rows_of(folder)[0], "--stream", "comments", "--reviewer", "ada", *here)
    code, added = command(capsys, *add, "--label", "spam")
    assert (code, added["new"], added["partitions"]) == (0, True, ["comments/2026-01-01"])
    assert command(capsys, *add)[0] == 2
    code, error = command(capsys, *add, "--label", "egg")
    assert (code, error["kind"]) == (2, "UsageError")
    code, error = command(capsys, *add, "--lf-wrong", "breif")
    assert (code, error["kind"]) == (2, "UsageError")
    assert "brief" in error["fix"]
    bad = tmp_path / "bad.csv"
    bad.write_text("row_id,label\nx,egg\n")
    code, (imported,) = command(capsys, "feedback", "import", str(bad), *here)
    assert (code, imported["events"], imported["quarantined"]) == (1, 0, 1)
    assert command(capsys, "feedback", "status", *here)[1]["stale"] == "new"
    code, outcome = command(capsys, "feedback", "sync", *here)
    assert (code, outcome["stage"], outcome["figures"]["labelled"]) == (0, "feedback", 1)
    code, status = command(capsys, "feedback", "status", *here)
    assert (code, status["labelled"], status["stale"], status["quarantined"]) == (0, 1, None, 1)
    with pytest.raises(SystemExit):
        main(["feedback", "status", *here])
    said = capsys.readouterr().out
    assert "1 rows: 1 labelled" in said
    assert "set aside: bad.csv:2" in said


def test_shares_weigh_what_was_picked_rarely_more():
    right, picked = pa.array([1.0, 0.0, 0.0]).to_numpy(), pa.array([0.01, 0.5, 0.5]).to_numpy()
    share = ReviewedPrecision.of(right, picked)
    assert share.share == pytest.approx(1 / 3)
    assert share.of_all == pytest.approx(100 / 104)
    assert share.of_all_low < 0.5  # one row's word
    assert ReviewedPrecision.of(right[:0]) is None


def test_simulated_reviewers_answer_the_same_each_time_and_make_labels_better(folder):
    gold = gold_of(Project(folder))
    reviewed = simulate_reviews(Project(folder), 150)
    assert (reviewed.events, reviewed.quarantined) == (300, 0)
    assert not simulate_reviews(Project(folder), 150).new
    run_stages(folder, *TO_LABELS)
    effect = show_effect(Project(folder), gold)
    assert 0 < effect.reviewed < 150  # some rows stay undecided
    assert effect.after.accuracy > effect.before.accuracy
    assert effect.after_others.rows == effect.before_others.rows
    assert effect.after_others.log_loss < effect.before_others.log_loss
    truth = {}
    project = Project(folder)
    for part in draw(project, ALL, 10**6):
        truth |= dict(zip(part.rows["id"].to_pylist(), gold(part).tolist(), strict=True))
    events = read_events(project.store, read_batches(project.store)).to_pylist()
    wrong = [event for event in events if event["label"] and event["label"] != CLASSES[truth[event["row_id"]]]]
    assert {event["reviewer"] for event in events if event["verdict"] == "unsure"} == {"ben", "cleo"}
    assert 0 < len(wrong) < 0.1 * len(events)


def test_an_lf_is_tried_on_reviewed_rows_and_label_models_are_judged_by_those_that_measure(folder):
    rows = rows_of(folder)
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows))
    run_stages(folder, *TO_LABELS)
    project = Project(folder)
    voted = (project.votes("comments", "2026-01-01")["brief"] >= 0).sum()
    trial = try_lf(project, "brief", ALL, 10)
    assert (trial.feedback.precision.right, trial.feedback.precision.rows) == (0, voted)
    assert trial.feedback.precision.low == 0.0 < trial.feedback.precision.high < 0.1
    fit, measuring = (fit_step.read_feedback(project, project.weighing_lfs, role) for role in ("fit", "evaluate"))
    made = compare_label_models(project, ALL, 1000, gold=gold_of(project), feedback=fit, reviewed=measuring)
    assert (made.judged_by, made.feedback) == ("feedback", fit.n_rows)
    covered = (measuring.patterns >= 0).any(axis=1)
    assert made.models[0].quality.rows == measuring.counts[covered].sum()


def test_rows_that_only_measure_are_not_trained_on(folder):
    write(folder, "a.csv", *({"row_id": row, "label": "spam"} for row in rows_of(folder)))
    run_stages(folder, *TO_LABELS)
    project, measuring = Project(folder), {row for row, measures in split_of(folder).items() if measures}
    rows = pd.concat([project.rows(p.stream, p.dt) for p in project.store.partitions(Layout.PARTITIONS)])
    measures = rows["id"].isin(measuring)
    unique = set(rows.loc[measures, "text"]) - set(rows.loc[~measures, "text"])
    trained, _, _ = train_step.training_rows(project, train_step.find_sources(project))
    assert unique
    assert not unique & set(trained["text"].to_pylist())


@pytest.mark.parametrize("label", ["spam", "ham"])
def test_feedback_of_one_class_only(folder, label):
    write(folder, "a.csv", *({"row_id": row, "label": label} for row in rows_of(folder)[:30]))
    run_stages(folder, *TO_LABELS)
    assert label_of(folder, rows_of(folder)[0])["label"] == CLASSES.index(label)


def test_no_row_is_covered(folder):
    """No labeling function votes on anything; what people said is all there is."""
    (folder / "lfs.yaml").write_text("- {kind: regex, name: never, pattern: 'no such text', label: spam}\n")
    change_params(folder, gate={"min_coverage": 0.0})
    rows = rows_of(folder)
    write(folder, "a.csv", *({"row_id": row, "label": CLASSES[i % 2]} for i, row in enumerate(rows[:20])))
    run_stages(folder, "apply", "merge", *TO_LABELS)
    labels = Project(folder).labels("comments", "2026-01-01").set_index("id")
    assert labels.loc[rows[:20], "label"].tolist() == [0, 1] * 10
    assert set(labels.loc[rows[20:], "label"]) == {NO_CLASS}
    assert set(labels.loc[rows[20:], "source"]) == {"none"}
