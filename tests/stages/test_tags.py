"""Tags in git: of a version only if their message is its manifest's id, and never another champion than ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import suppress

import gto.api
import pytest
from gto.exceptions import ArtifactNotFound
from projects import change_params, run_stages

from beambell import Project
from beambell.cli import main
from beambell.registry import champion, find_version, tags
from beambell.stages import promote
from beambell.views.views import list_models
from beambell.workshop.starter import start

ANN = {"by": "ann", "reason": "a look", "override": True}
MODEL, STAGE = "complaints", "prod"


def git(folder, *words):
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The starter project with a trained model that is not registered, in a git repository; not to be changed."""
    folder = tmp_path_factory.mktemp("tags") / "p"
    start(folder)
    change_params(folder, promotion={"mode": "off"})
    run_stages(folder, "ingest", "aggregate", "apply", "merge", "fit", "label", "validate", "train")
    git(folder, "init", "-q", ".")
    git(folder, "config", "user.email", "test@beambell.invalid")
    git(folder, "config", "user.name", "test")
    (folder / ".gitignore").write_text("data/\n.beambell/\n__pycache__/\n")
    commit(folder)
    return folder


@pytest.fixture
def project(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(tags, "_is_described", lambda folder: True)  # as after `dvc repro` and a commit of dvc.lock
    return shutil.copytree(trained, tmp_path / "p")


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "next", "--allow-empty")


def another(folder, C):
    """Register one more version, at a commit of its own."""
    change_params(folder, model={"C": C})
    commit(folder)
    return register(folder, "train")


def register(folder, *before):
    return run_stages(folder, *before, "register")["register"]


def version(folder, number):
    return find_version(Project(folder), MODEL, number)


def in_git(folder):
    """Whom GTO gives the stage to, whichever of its answers one reads."""
    try:
        (asked,) = gto.api.find_versions_in_stage(str(folder), MODEL, STAGE) or [None]
    except ArtifactNotFound:
        return None
    found = asked.version if asked else None
    shown = gto.api.show(str(folder))[MODEL]["stage"].get(STAGE)
    listed = [v["version"] for v in gto.api.show(str(folder), MODEL) if any(s["stage"] == STAGE for s in v["stages"])]
    assert (shown, listed) == (found, [found] if found else [])
    return found


def agree(folder):
    """Whether git says of the champion what the decisions say: it, or nobody where git has no tag of it."""
    best = champion(Project(folder), MODEL)
    (listed,) = [view for view in list_models(Project(folder)) if view.stage]
    assert listed.name == best.name
    return in_git(folder) == (f"v{best.number}.0.0" if listed.tagged else None)


OTHERS = {
    "annotated": lambda folder, name: git(folder, "tag", "-a", name, "-m", "registered in a colleague's clone"),
    "empty message": lambda folder, name: git(folder, "tag", "-a", name, "-F", "/dev/null"),
    "lightweight": lambda folder, name: git(folder, "tag", name),
    "of the model's id in another place": lambda folder, name: git(
        folder, "tag", "-a", name, "-m", "see\n\n" + "0" * 64
    ),
    "of an id that is another's": lambda folder, name: git(folder, "tag", "-a", name, "-m", "0" * 64),
    "by gto": lambda folder, name: gto.api.register(str(folder), MODEL, "HEAD", version="v1.0.0"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_tag_of_another_model_is_neither_taken_for_this_one_nor_given_a_stage(project, other):
    OTHERS[other](project, f"{MODEL}@v1.0.0")
    outcome = register(project)
    assert outcome.figures["version"] == f"{MODEL}@v1"
    assert outcome.figures["tag"].startswith(f"not tagged: tag {MODEL}@v1.0.0 is of another model")
    assert outcome.warnings == (outcome.figures["tag"],)
    decided = promote.promote(Project(project), "v1", **ANN)
    assert decided.figures["tag"].startswith("not assigned")
    assert decided.warnings
    assert git(project, "tag").split() == [f"{MODEL}@v1.0.0"]
    (listed,) = list_models(Project(project))
    assert (listed.tagged, listed.stage) == (False, STAGE)
    assert "is of another model" in listed.tag
    assert agree(project)


def test_a_stage_that_git_gives_to_another_model_is_taken_back(project):
    OTHERS["annotated"](project, f"{MODEL}@v1.0.0")
    gto.api.assign(str(project), MODEL, STAGE, version="v1.0.0")
    register(project)
    decided = promote.promote(Project(project), "v1", **ANN)
    assert "was taken back" in decided.figures["tag"]
    assert in_git(project) is None
    assert agree(project)


def test_a_tag_fetched_from_a_remote_is_judged_as_one_made_here(project, tmp_path):
    clone = tmp_path / "colleague"
    git(tmp_path, "clone", "-q", str(project), str(clone))
    git(clone, *("-c", "user.name=x", "-c", "user.email=x@x.invalid"), "tag", "-a", f"{MODEL}@v1.0.0", "-m", "theirs")
    git(project, "fetch", "-q", "--tags", str(clone))
    assert register(project).figures["tag"].startswith("not tagged")


def test_git_and_the_decisions_never_name_different_champions(project, monkeypatch):
    """Promotions and rollbacks within moments, to tagged versions and to one without a tag, and back."""
    assert register(project).figures["tag"] == f"tagged {MODEL}@v1.0.0"
    assert another(project, 1.0).figures["tag"] == f"tagged {MODEL}@v2.0.0"
    monkeypatch.setattr(tags, "_is_described", lambda folder: False)
    assert another(project, 0.1).figures["tag"].startswith("not tagged")
    for step in ("v1", "v2", "v1", "v3", "v2", "v3", "v1"):
        promote.promote(Project(project), step, **ANN)
        assert champion(Project(project), MODEL).name == f"{MODEL}@{step}"
        assert agree(project), step
    for _ in range(2):
        promote.rollback(Project(project), None, by="ann", reason="complaints")
        assert agree(project)
    assert [view.tagged for view in list_models(Project(project))] == [True, True, False]


def test_a_version_that_is_tagged_after_it_was_promoted_gets_its_stage(project, monkeypatch):
    monkeypatch.setattr(tags, "_is_described", lambda folder: False)
    register(project)
    promote.promote(Project(project), "v1", **ANN)
    assert in_git(project) is None
    monkeypatch.setattr(tags, "_is_described", lambda folder: True)
    outcome = register(project)
    assert (outcome.figures["tag"], in_git(project)) == (f"tagged {MODEL}@v1.0.0", "v1.0.0")
    assert agree(project)


def test_a_stage_that_somebody_gave_by_hand_is_put_right_by_the_next_run(project):
    register(project)
    another(project, 1.0)
    promote.promote(Project(project), "v2", **ANN)
    gto.api.assign(str(project), MODEL, STAGE, version="v1.0.0", force=True)
    assert gto.api.show(str(project))[MODEL]["stage"][STAGE] == "v1.0.0"
    run_stages(project, "promote")
    assert agree(project)


WITHOUT_TAGS = {
    "no repository": lambda folder: shutil.rmtree(folder / ".git"),
    "no commit yet": lambda folder: (shutil.rmtree(folder / ".git"), git(folder, "init", "-q", ".")),
    "git refuses it": lambda folder: (folder / ".git" / "HEAD").write_text("nonsense\n"),
    "a subfolder of one": lambda folder: shutil.move(folder / ".git", folder.parent / ".git"),
}


@pytest.mark.parametrize("case", WITHOUT_TAGS)
def test_where_git_says_nothing_a_version_is_registered_and_promoted_all_the_same(project, case, monkeypatch):
    monkeypatch.undo()
    WITHOUT_TAGS[case](project)
    assert register(project).figures["tag"].startswith("not tagged")
    assert promote.promote(Project(project), "v1", **ANN).figures["tag"].startswith("not assigned")
    (listed,) = list_models(Project(project))
    assert (listed.stage, listed.tagged) == (STAGE, False)
    assert listed.tag.startswith("not tagged")


def test_without_git_on_the_machine_it_is_said(project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no git on this machine" in register(project).figures["tag"]


def test_a_shallow_clone_and_a_dirty_tree_are_no_trouble(project, tmp_path):
    register(project)
    another(project, 1.0)
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{project}", str(clone))
    git(clone, "fetch", "-q", "--depth", "1", "origin", "refs/tags/*:refs/tags/*")
    git(clone, "config", "user.email", "test@beambell.invalid")
    git(clone, "config", "user.name", "test")
    shutil.copytree(project / "data", clone / "data", dirs_exist_ok=True)
    (clone / "params.yaml").write_text((clone / "params.yaml").read_text() + "# dirty\n")
    promote.promote(Project(clone), "v2", **ANN)
    assert agree(clone)
    promote.promote(Project(clone), "v1", **ANN)
    assert agree(clone)


def test_the_commands_say_what_is_tagged_and_why_not(project, capsys, monkeypatch):
    monkeypatch.chdir(project)
    OTHERS["annotated"](project, f"{MODEL}@v1.0.0")
    for words in (("register",), ("register", "--json"), ("models", "list"), ("models", "list", "--json")):
        with suppress(SystemExit):
            main(list(words))
        out = capsys.readouterr().out
        assert "colleague's clone" in out
        if "--json" in words:
            document = json.loads(out)
            told = document["figures"]["tag"] if words[0] == "register" else document[0]["tag"]
            assert told.startswith("not tagged: tag complaints@v1.0.0 is of another model")
    assert version(project, 1).number == 1
