"""Lineage names what something was made from, and not what there is today; of every kind of artefact."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from every_kind import project_of_every_kind
from projects import change_params, run_stages

from beambell import Project
from beambell.artefacts.gc import find_garbage
from beambell.artefacts.kind import kinds
from beambell.artefacts.snapshot import take_snapshot
from beambell.stages.verification import verify_project
from beambell.store import Layout, Manifest, Partition
from beambell.views.lineage import trace
from beambell.workshop.starter import start


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """A project with artefacts of every kind; not to be changed."""
    return project_of_every_kind(tmp_path_factory.mktemp("lineage") / "p")


@pytest.fixture(scope="module")
def run_once(tmp_path_factory):
    """The starter project, run to the end; not to be changed."""
    folder = tmp_path_factory.mktemp("lineage") / "p"
    start(folder)
    run_stages(folder)
    return folder


@pytest.fixture
def folder(run_once, tmp_path):
    return shutil.copytree(run_once, tmp_path / "p")


@pytest.mark.parametrize("family", [family for family in kinds() if family != Layout.ANSWERS])  # of earlier versions
def test_every_kind_of_artefact_has_a_lineage(every_kind, family):
    project = Project(every_kind)
    mine = [a for a in take_snapshot(project.store).artefacts if family == a.FOLDER]
    assert mine, "make one of this kind in tests/every_kind.py"
    for artefact in mine:
        found = trace(project, artefact.manifest.id)
        assert kinds()[family].TITLE in {node.kind for node in found.nodes.values()}
        if family != Layout.DECISIONS:  # the version that it is about says what it is made from
            assert found.made_from or found.made_with


def test_every_role_and_reference_is_declared(every_kind):
    for artefact in take_snapshot(Project(every_kind).store).artefacts:
        assert {role.partition("/")[0] for role in artefact.manifest.files} <= set(artefact.FILES)
        assert {reference.folder for reference in artefact.REFERENCES} <= kinds().keys()
        assert artefact.home in (None, artefact.folder)


def test_every_kind_of_artefact_is_verified_and_kept(every_kind):
    project = Project(every_kind)
    assert verify_project(project, deep=True).errors == ()
    named = {
        f"{a.folder}/{ref.name}" for a in take_snapshot(project.store).current for ref in a.manifest.files.values()
    }
    assert named.isdisjoint(find_garbage(project.store, keep_history=0).files)


def test_a_review_queue_was_made_from_a_label_model(every_kind):
    project = Project(every_kind)
    (folder,) = project.store.under(Layout.FEEDBACK_QUEUES)
    found = trace(project, folder.rpartition("/")[2])
    assert {"state", "votes", "LF", "raw file"} <= {found.nodes[key].kind for key in found.made_from} | {
        node.kind for node in found.nodes.values()
    }


def edit(folder: Path, old: str = '"damaged", ', new: str = "") -> None:
    path = folder / "labeling_functions" / "mails.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def versions(folder: Path) -> list[dict]:
    found = Project(folder).store.under(f"{Layout.REGISTRY}/complaints")
    return [manifest.facts["lineage"] for manifest in found.values()]


def fingerprints(folder: Path) -> dict[str, str]:
    return dict(Project(folder).catalogue.fingerprints)


def lfs_behind(folder: Path, subject: str) -> dict[str, str]:
    found = trace(Project(folder), subject)
    up, todo = set(), [found.subject]
    while todo:
        for other in found.made_from.get(todo.pop(), ()):
            if other not in up:
                up.add(other)
                todo.append(other)
    return {found.nodes[key].name: found.nodes[key].facts["fingerprint"] for key in up if found.nodes[key].kind == "LF"}


ADDED = 'late = keyword("late", any_of=["late"], label=1)\n\n\n'
# What is done between the labels and the registration of a model that was trained on them.
BETWEEN = {
    "edited": edit,
    "edited without a changed vote": lambda folder: edit(folder, '"damaged", ', '"damaged", "zzz", '),
    "removed": lambda folder: edit(folder, "@labeling_function", "_ = staticmethod  # "),
    "added": lambda folder: edit(folder, "@labeling_function", f"{ADDED}@labeling_function"),
    "votes gone": lambda folder: shutil.rmtree(folder / "data" / "votes"),
}  # fmt: skip


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("trained", ["before", "after"])
def test_a_version_names_what_its_labels_were_made_from(folder, between, trained):
    before = fingerprints(folder)
    change_params(folder, model={"C": 5.0})
    if trained == "before":
        run_stages(folder, "train")
    BETWEEN[between](folder)
    run_stages(folder, *(["apply"] if between != "votes gone" else []))
    run_stages(folder, "train", "register")
    first, second = versions(folder)
    assert first["labels"] == second["labels"]
    assert first["lfs"] == second["lfs"] == before
    assert first["votes"] == second["votes"]
    assert second["unknown_lfs"] == []
    short = {name: fingerprint[:16] for name, fingerprint in before.items()}
    assert lfs_behind(folder, "complaints@v2") == short
    assert lfs_behind(folder, "mails/2026-01-02") == short


def test_labels_of_several_versions_are_told_apart(folder):
    before = fingerprints(folder)
    edit(folder)
    run_stages(folder, "feedback", "apply", "merge", "count", "fit", "label")
    project = Project(folder)  # two days stay as they were, as if the gate had refused them
    for dt in ("2026-01-01", "2026-01-02"):
        project.store.withdraw(Layout.of(Layout.CANDIDATES, Partition("mails", dt)))
    run_stages(folder, "validate", "train", "register")
    last, now = versions(folder)[-1], fingerprints(folder)
    assert last["lfs"] == now != before
    assert last["earlier_lfs"] == {"broken": [before["broken"]]}


def test_shadow_functions_are_no_contributors(tmp_path):
    start(tmp_path / "p")
    folder = tmp_path / "p"
    change_params(folder, lfs={"shadow": ["asks"]})
    run_stages(folder)
    assert set(versions(folder)[0]["lfs"]) == {"broken"}
    for subject in ("complaints@v1", "mails/2026-01-02"):
        assert set(lfs_behind(folder, subject)) == {"broken"}
    found = trace(Project(folder), "asks")  # they voted, and that is all
    assert {node.kind for node in found.nodes.values()} == {"LF", "votes"}
    votes = next(key for key in found.nodes if key.startswith("votes "))
    assert set(lfs_behind(folder, votes)) == {"broken", "asks"}


@pytest.mark.parametrize("edited", [False, True])
def test_labels_that_do_not_say_it_are_asked_by_their_votes(folder, edited):
    """As they were before they said by which functions they were made."""
    store, before = Project(folder).store, fingerprints(folder)
    for kind in (Layout.CANDIDATES, Layout.LABELS):
        for partition, manifest in store.partitions(kind).items():
            facts = {name: value for name, value in manifest.facts.items() if name != "lfs"}
            store.publish(Layout.of(kind, partition), Manifest(manifest.kind, manifest.files, manifest.inputs, facts))
    if edited:
        edit(folder, '"damaged", ', '"damaged", "zzz", ')
        run_stages(folder, "apply")
    change_params(folder, model={"C": 5.0})
    run_stages(folder, "train", "register")
    last = versions(folder)[-1]
    assert last["lfs"] == ({} if edited else before)
    assert last["unknown_lfs"] == ([f"mails/2026-01-0{n}" for n in (1, 2, 3)] if edited else [])
