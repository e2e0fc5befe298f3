"""``beambell state`` as a user types it, and what shadow LFs and status say."""

from __future__ import annotations

import json

import pytest
import yaml
from synthetic import LFS, make_project, partition, remove, vote, write_lfs

from beambell import Project
from beambell.cli import main
from beambell.errors import ConfigError
from beambell.stages import merge
from beambell.stages.order import STAGES, stage_named
from beambell.state import PatternCounts
from beambell.store import Layout, Manifest


@pytest.fixture
def folder(tmp_path):
    made = make_project(tmp_path / "project")
    project = Project(made)
    for day in range(3):
        vote(project, partition("comments", day), day)
    vote(project, partition("messages", 1), 7)
    stage_named("merge").refresh(project, project.select())
    vote(project, partition("comments", 3), 3)
    vote(project, partition("comments", 0), 9)
    remove(project, partition("messages", 1))
    vote(project, partition("messages", 2), 8)
    stage_named("merge").refresh(project, project.select())
    return made


@pytest.fixture
def command(folder, capsys):
    def command(*words):
        try:
            main([*words, "--project", str(folder)])
        except SystemExit as exit_:
            code = exit_.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_show_log_and_diff(folder, command):
    code, out, _ = command("state", "log", "--json")
    log = json.loads(out)
    assert code == 0
    assert [(entry["number"], entry["partitions"], entry["rows"]) for entry in log] == [(2, 5, 150), (1, 4, 120)]
    _, out, _ = command("state", "diff", "1", "--json")
    diff = json.loads(out)
    assert diff["joined"] == ["comments/2026-01-04", "messages/2026-01-03"]
    assert diff["left"] == ["messages/2026-01-02"]
    assert diff["replaced"] == ["comments/2026-01-01"]
    assert diff["rows"] == [120, 150]
    project = Project(folder)
    assert sum(growth["rows"] for growth in diff["grew"]) <= 30
    for at, rows in (("1", 30), (log[1]["id"][:14], 30), (log[0]["id"], 30)):
        _, out, _ = command("state", "show", "--stream", "messages", "--at", at, "--json")
        assert json.loads(out)["rows"] == rows
    assert project.state(at="1").n_rows == 120
    assert PatternCounts.sum([project.state("comments"), project.state("messages")]) == project.state()
    for words, shown in (
        (["show"], ["all partitions, equally", "newest day 2026-01-04", "150 rows of 5 partitions", "money"]),
        (["log"], ["2026-01-04", "2026-01-03", log[1]["id"][:12]]),
        (["diff", "1", "2"], ["2 joined: comments/2026-01-04", "1 replaced", "patterns that changed most"]),
    ):
        code, out, _ = command("state", *words)
        assert code == 0
        for text in shown:
            assert text in out


def test_a_state_that_is_not_there(command):
    assert command("state", "show", "--at", "99")[0] == 2
    assert command("state", "show", "--stream", "nowhere")[0] == 2


def test_verify_names_what_differs(folder, command):
    code, out, _ = command("state", "verify")
    assert (code, "5 partitions, 150 rows: counted again, the same bytes" in out) == (0, True)
    store = Project(folder).store
    votes = Layout.of(Layout.VOTES, partition("comments", 3))
    file = folder / "data" / votes / store.read(votes).files["patterns"].name
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + b"?")
    code, out, _ = command("state", "verify", "--json")
    assert code == 1
    assert [finding["what"] for finding in json.loads(out)["findings"]] == ["comments/2026-01-04"]
    file.write_bytes(kept)
    state = folder / "data" / "state" / store.read(Layout.STATE).files["patterns/comments"].name
    state.write_bytes(state.read_bytes()[:-1])
    code, out, _ = command("state", "verify")
    assert code == 1
    assert state.name in out


def test_verify_finds_counts_that_are_not_those_of_the_votes(folder, command):
    """A state that says it counts what it does not: every hash is right, and the sum is wrong."""
    project = Project(folder)
    where = partition("comments", 2)
    manifest = project.store.read(Layout.of(Layout.VOTES, where))
    other = project.store.read(Layout.of(Layout.VOTES, partition("comments", 1)))
    tampered = Manifest(
        "votes", {**manifest.files, "patterns": other.files["patterns"]}, manifest.inputs, manifest.facts
    )
    path = folder / "data" / Layout.of(Layout.VOTES, where)
    source = folder / "data" / Layout.of(Layout.VOTES, partition("comments", 1)) / other.files["patterns"].name
    (path / source.name).write_bytes(source.read_bytes())
    (path / "manifest.json").write_bytes(tampered.to_bytes())
    stage_named("merge").refresh(Project(folder), project.select())
    code, out, _ = command("state", "verify")
    assert code == 1
    assert f"{where}: its pattern counts are not those of its votes" in out


def test_status_names_every_partition_that_is_behind(folder, command):
    before = Project(folder).store.read(Layout.STATE)
    write_lfs(folder, {**dict.fromkeys(LFS, 0), "caps": 1})
    project = Project(folder)
    vote(project, partition("comments", 3), 3)  # one is up to date: the state waits for the others
    outcome = stage_named("merge").refresh(project, project.select())
    assert "4 partitions have votes of other LFs" in outcome.warnings[0]
    assert Project(folder).store.read(Layout.STATE) == before
    plan = merge.plan(project)
    behind = ["comments/2026-01-01", "comments/2026-01-02", "comments/2026-01-03", "messages/2026-01-03"]
    assert [task.key for task in plan.waiting] == behind
    assert {task.reason for task in plan.waiting} == {"LFs: caps edited; waits for apply"}
    code, out, _ = command("merge", "--dry-run")
    assert code == 0
    assert ", ".join(behind) in out
    for day, seed in ((0, 9), (1, 1), (2, 2)):
        vote(project, partition("comments", day), seed)
    vote(project, partition("messages", 2), 8)
    stage_named("merge").refresh(project, project.select())
    assert not merge.plan(project).waiting
    assert Project(folder).store.read(Layout.STATE).inputs["lfs"] != before.inputs["lfs"]
    assert Project(folder).state(at="2").n_rows == 150, "the state of the LFs before stays readable"


def test_a_window_does_not_wait_for_what_it_does_not_count(folder):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"state": {"policy": "window", "days": 1}}))
    write_lfs(folder, {**dict.fromkeys(LFS, 0), "caps": 1})
    project = Project(folder)
    vote(project, partition("comments", 3), 3)
    stage_named("merge").refresh(project, project.select())
    assert Project(folder).state().n_rows == 30


def run_stage(folder, name):
    project = Project(folder)
    return next(stage for stage in STAGES if stage.name == name).refresh(project, project.select())


def test_a_shadow_lf_weighs_nothing_until_it_is_turned_on(folder):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    votes = {p: m.id for p, m in Project(folder).store.partitions(Layout.VOTES).items()}

    def shadow(*names):
        lfs = params["lfs"] | {"shadow": list(names)}
        (folder / "params.yaml").write_text(yaml.safe_dump(params | {"lfs": lfs}))
        return [run_stage(folder, name).done for name in ("merge", "fit", "label")]

    assert shadow("caps", "money") == [0, 1, 5]
    project = Project(folder)
    assert project.label_model().config()["lfs"] == ["links", "short"]
    expected = project.label_model().predict_proba(_columns(project, ["links", "short"]))
    labels = _candidates(project)
    covered = labels["p_spam"].notna()
    assert (labels["p_spam"][covered] == expected[covered.to_numpy(), 1].astype("float32")).all()
    assert (covered.to_numpy() == (_columns(project, ["links", "short"]) >= 0).any(axis=1)).all()
    assert shadow() == [0, 1, 5], "turned on: fitted and looked up again"
    assert {p: m.id for p, m in Project(folder).store.partitions(Layout.VOTES).items()} == votes
    with pytest.raises(ConfigError, match="no labeling function 'nobody'"):
        shadow("nobody")


def _columns(project, lfs):
    return project.votes("comments", "2026-01-01")[lfs].to_numpy()


def _candidates(project):
    from beambell.store.tables import read_table

    folder = Layout.of(Layout.CANDIDATES, partition("comments", 0))
    return read_table(project.store, folder, project.store.read(folder).files["labels"]).to_pandas()
