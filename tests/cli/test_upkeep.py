"""verify, gc and lineage: what is damaged is named, what nothing names goes, what was made from what is told."""

from __future__ import annotations

import json
import shutil

import pytest
from projects import change_params, run_stages, small_project, tree_bytes

from beambell import Project
from beambell.artefacts.gc import find_garbage, remove_garbage
from beambell.artefacts.verify import verify
from beambell.cli import main
from beambell.errors import UsageError
from beambell.stages.verification import verify_project
from beambell.store import Layout
from beambell.views.lineage import trace

LFS = """
- {kind: regex, name: link, pattern: 'https?://|www', label: spam}
- {kind: keyword, name: begs, any_of: [subscribe, channel, free, click], label: spam}
- {kind: length, name: brief, max: 60, label: ham}
"""
EDITED = LFS.replace("max: 60", "max: 70")
PLACE = "comments/2026-01-01"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small project, run to the end; not to be changed."""
    folder = small_project(
        tmp_path_factory.mktemp("upkeep") / "project",
        days=1,
        scale=0.04,
        label_model={"kind": "majority", "options": {}},
    )
    (folder / "lfs.yaml").write_text(LFS)
    change_params(folder, lfs={"modules": [], "files": ["lfs.yaml"]})
    run_stages(folder)
    return folder


@pytest.fixture
def project(finished, tmp_path):
    return Project(shutil.copytree(finished, tmp_path / "project"))


@pytest.fixture(scope="module")
def edited_once(finished, tmp_path_factory):
    """That project with one LF edited, run again; not to be changed."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("edited") / "project")
    (folder / "lfs.yaml").write_text(EDITED)
    run_stages(folder)
    return folder


@pytest.fixture
def edited(edited_once, tmp_path):
    return Project(shutil.copytree(edited_once, tmp_path / "edited"))


def command(capsys, *words: str) -> tuple[int, str]:
    """Run the command; its exit code, and what it printed."""
    code = 0
    try:
        main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().out


# -- verify ------------------------------------------------------------------------------------------------------


def test_a_whole_project_is_said_to_be_whole(finished, capsys):
    code, text = command(capsys, "verify", "--deep", "--json", "--project", str(finished))
    found = json.loads(text)
    assert (code, found["ok"], found["findings"]) == (0, True, [])
    assert found["files"] > 15
    assert command(capsys, "verify", "--project", str(finished))[1].startswith("verify 0 damaged in")


def flip(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "deep"), [(lambda data: data[:-1], False), (flip, True), (lambda data: None, False)]
)
def test_every_damaged_file_is_named(project, damage, deep):
    root = project.path / "data"
    names = [
        name
        for name in tree_bytes(root, without=("raw", "gold", "log"))  # the names of the log's files are all it says
        if name.split("/")[0] not in ("README.md", "lfs")
    ]
    assert len(names) > 40
    for name in names:
        path = root / name
        whole = path.read_bytes()
        broken = damage(whole)
        if not whole or (broken is None and name.endswith(".json") and "metrics" not in name):
            continue  # a manifest that is gone is an artefact that is gone, not a damaged one
        if broken is None:
            path.unlink()
        else:
            path.write_bytes(broken)
        found = verify_project(project, deep=deep)
        path.write_bytes(whole)
        assert name in {finding.where for finding in found.errors}, name
    assert verify(project.store, deep=True).findings == ()


def test_what_to_do_about_damage_works(project, capsys):
    before = tree_bytes(project.path / "data")
    for family in ("partitions", "votes", "candidates", "published", "state", "label_models", "models/candidate"):
        path = next(
            path
            for path in (project.path / "data" / family).rglob("*-*.*")
            if path.is_file() and path.parent.name != "log"
        )
        path.write_bytes(flip(path.read_bytes()))
    code, text = command(capsys, "verify", "--deep", "--json", "--project", str(project.path))
    found = [finding for finding in json.loads(text)["findings"] if finding["severity"] == "error"]
    assert (code, len(found)) == (1, 7)
    for finding in found:
        fix = finding["fix"]
        assert fix.startswith(f"remove {finding['where']} and ")
        for name in (finding["where"], fix.split()[3].rstrip(",")):
            (project.path / "data" / name).unlink()
    run_stages(project.path)
    assert tree_bytes(project.path / "data") == before


def test_dangling_references_are_named(project):
    shutil.rmtree(project.path / "data" / "label_models")
    shutil.rmtree(project.path / "data" / "lfs" / "link")
    found = verify(project.store)
    told = {(finding.where.split("/")[0], finding.what.partition(":")[0].split(" ")[0]) for finding in found.errors}
    assert told == {("published", "made"), ("candidates", "made"), ("lfs", "missing")}


def test_what_is_behind_is_a_note_and_no_damage(project):
    (project.path / "lfs.yaml").write_text(EDITED)
    run_stages(project.path, "apply")
    found = verify(project.store, deep=True)
    assert found.errors == ()
    assert {finding.where.split("/")[0] for finding in found.findings} == {"candidates", "published"}


# -- gc ----------------------------------------------------------------------------------------------------------


def test_only_what_nothing_names_goes(finished, edited, capsys):
    assert find_garbage(Project(finished).store).files == {}
    old_state, project = Project(finished).store.read(Layout.STATE), edited
    (project.path / "data" / "votes" / "notes-by-hand.txt").write_text("mine")
    before = tree_bytes(project.path / "data")
    code, text = command(capsys, "gc", "--dry-run", "--grace", "0", "--json", "--project", str(project.path))
    found = json.loads(text)
    assert code == 0
    assert not found["removed"]
    assert tree_bytes(project.path / "data") == before
    assert {name.split("/")[0] for name in found["files"]} == {"votes", "candidates", "published", "evaluation"}
    assert command(capsys, "gc", "--json", "--project", str(project.path))[1].count("votes-") == 0  # all are young
    command(capsys, "gc", "--grace", "0", "--project", str(project.path))
    after = tree_bytes(project.path / "data")
    assert before.keys() - after.keys() == found["files"].keys()
    assert verify(project.store, deep=True).errors == ()
    assert project.store.get(Layout.STATE, old_state.files["patterns"])
    assert all(outcome.done == 0 for outcome in run_stages(project.path).values())


def test_history_s_files_go_when_told_and_its_manifests_stay(finished, edited):
    old_state, project = Project(finished).store.read(Layout.STATE), edited
    for keep, gone in ((None, False), (1, False), (0, True)):
        names = find_garbage(project.store, keep_history=keep).files
        assert (f"state/{old_state.files['patterns'].name}" in names) is gone
    remove_garbage(project.store, find_garbage(project.store, keep_history=0))
    assert project.store.revision(Layout.STATE, old_state.id) == old_state
    assert verify(project.store, deep=True).errors == ()
    assert f"state {old_state.id[:16]}" in trace(project, "spam@v1").made_from


def test_staging_of_a_dead_job_is_swept(project):
    project.store.files.stage("job/shard", b"x")
    assert list(find_garbage(project.store).files) == [".staging/job/shard"]


def test_nothing_is_removed_while_a_manifest_cannot_be_read(project):
    (project.path / "data" / "votes" / f"stream={PLACE.replace('/', '/dt=')}" / "manifest.json").write_bytes(b"{")
    with pytest.raises(Exception, match="not a readable manifest"):
        find_garbage(project.store)


# -- lineage -----------------------------------------------------------------------------------------------------


def kinds(keys, nodes) -> set[str]:
    return {nodes[key].kind for key in keys}


def test_a_model_is_traced_to_raw_files_and_labeling_functions(finished):
    found = trace(Project(finished), "spam@v1")
    assert {"raw file", "LF", "partition", "votes", "state", "label model", "labels"} <= kinds(found.nodes, found.nodes)
    raw = {node.name for node in found.nodes.values() if node.kind == "raw file"}
    assert raw == {
        file.relative_to(finished).as_posix() for file in (finished / "data/raw").rglob("*") if file.is_file()
    }
    assert any("https?://" in source for source in found.sources.values())


def test_a_raw_file_is_traced_to_the_model(finished):
    raw = next((finished / "data" / "raw" / "comments").iterdir()).relative_to(finished).as_posix()
    for name in (raw, str(finished / raw)):
        found = trace(Project(finished), name)
        assert found.subject == f"raw file {raw}"
        assert "model version spam@v1" in found.nodes
        assert f"labels {PLACE}" in found.made_with
        assert found.made_from == {}


@pytest.mark.parametrize("kind", ["partitions", "votes", "published", "candidates"])
def test_a_data_file_is_found_by_its_path(finished, kind):
    project = Project(finished)
    folder = f"{kind}/stream={PLACE.replace('/', '/dt=')}"
    ref = next(iter(project.store.read(folder).files.values()))
    titles = {"partitions": "partition", "candidates": "candidate labels", "published": "labels"}
    expected = f"{titles.get(kind, kind)} {PLACE}"
    for name in (f"data/{folder}/{ref.name}", str(finished / "data" / folder / ref.name)):
        assert trace(project, name).subject == expected


def test_a_labeling_function_is_traced_to_what_it_labelled(finished):
    found = trace(Project(finished), "link")
    assert found.subject.startswith("LF link ")
    assert {"votes", "labels", "end model", "model version"} <= kinds(found.made_with, found.nodes) | {"model version"}
    assert "model version spam@v1" in found.nodes


def test_an_edited_function_has_two_versions_and_the_old_model_keeps_its_own(edited):
    old, new = (
        {key for key in trace(edited, version).nodes if key.startswith("LF brief ")}
        for version in ("spam@v1", "spam@v2")
    )
    assert len(old) == len(new) == 1
    assert old != new


def test_of_a_function_whose_votes_are_gone_its_record_is_told(project):
    records = project.path / "data" / Layout.LFS
    (record,) = (records / "brief").iterdir()
    (records / "gone").mkdir()
    shutil.copy(record, records / "gone" / "0123456789abcdef.json")
    for name in ("gone", "01234567", "0123456789abcdef" * 4):
        with pytest.raises(
            UsageError, match=r"(?s)no votes of the labeling function .*lfs/gone/0123456789abcdef\.json"
        ):
            trace(project, name)
    with pytest.raises(UsageError, match="nothing here is called '0123456'"):
        trace(project, "0123456")


def test_one_row_s_label_shows_its_line_and_votes(finished, capsys):
    project = Project(finished)
    labels = project.labels(*PLACE.split("/"))
    row = labels[labels["label"] == 1]["id"].iloc[0]
    view = trace(project, f"{PLACE}/{row}").label
    assert view.label == "spam"
    assert "spam" in view.votes.values()
    assert (finished / view.file).read_text().splitlines()[view.line - 1]
    code, text = command(capsys, "lineage", f"{PLACE}/{row}", "--project", str(finished))
    assert code == 0
    assert f"row {row} ({view.file}:{view.line}) is labelled spam" in text
    assert "raw file" in text


def test_lineage_as_json_and_of_nothing(finished, capsys):
    code, text = command(capsys, "lineage", "spam@v1", "--json", "--project", str(finished))
    assert code == 0
    assert json.loads(text)["subject"] == "model version spam@v1"
    code, text = command(capsys, "lineage", "nobody", "--json", "--project", str(finished))
    assert code == 2
    assert "nothing here is called 'nobody'" in json.loads(text)["error"]
    assert command(capsys, "lineage", f"{PLACE}/nobody", "--project", str(finished))[0] == 2
