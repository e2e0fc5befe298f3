"""Damage is never read into something new: a run either names the damaged file, or makes what it would have made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from every_kind import STATEFUL, project_of_every_kind
from projects import change_params, run_stages, tree_bytes

from beambell import Project
from beambell.artefacts.kind import HOMES, kind_of, kinds
from beambell.artefacts.kinds.history import Answers
from beambell.artefacts.verify import verify
from beambell.cli import main
from beambell.errors import ArtefactError
from beambell.stages.feedback import add_event
from beambell.stages.verification import verify_project
from beambell.store import Layout, Manifest, Store, canonical_json

LATE = """mail_id,received_at,sender,attachments,text
z1,2026-01-02T11:00:00Z,ann@mail.example,0,My parcel arrived broken.
z2,2026-01-04T12:00:00Z,bob@mail.example,1,Are you open today?
"""


def flipped(path: Path, at: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    path.write_bytes(data)


def early_flip(path: Path) -> None:
    flipped(path, 0.1)


def late_flip(path: Path) -> None:
    flipped(path, 0.98)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced(path: Path) -> None:
    """Put another whole file of its kind in its place."""
    others = (other for other in sorted(path.parents[2].rglob(f"*{path.suffix}")) if other.is_file())
    other = next((o for o in others if o.read_bytes() != path.read_bytes()), None)
    path.write_bytes(other.read_bytes() if other else b"another file")


DAMAGES: tuple[Callable[[Path], None], ...] = (
    flipped, early_flip, late_flip, truncated, emptied, removed, made_a_folder, replaced
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A project with artefacts of every kind; not to be changed."""
    return project_of_every_kind(tmp_path_factory.mktemp("damage") / "p")


@pytest.fixture
def folder(base, tmp_path):
    return shutil.copytree(base, tmp_path / "p")


def change(folder: Path) -> None:
    """Change something of everything, so that every stage has something to make of what it finds."""
    lfs = folder / "labeling_functions" / "mails.py"
    lfs.write_text(lfs.read_text().replace('"damaged", ', ""))
    (folder / "data/raw/mails/2026-01-04.csv").write_text(LATE)
    add_event(Project(folder), stream="mails", row_id="m21", label="other", reviewer="ben", time="2026-02-02T00:00:00Z")
    change_params(folder, model={"C": 3.0})


@pytest.fixture(scope="module")
def expected(base, tmp_path_factory):
    """What that project is after the change, when nothing is damaged."""
    folder = shutil.copytree(base, tmp_path_factory.mktemp("expected") / "p")
    change(folder)
    run_stages(folder)
    return tree_bytes(folder / "data")


def test_that_project_has_artefacts_of_every_kind(base):
    found = {kind_of(folder) for folder in Project(base).store.stamps("")}
    assert found - {None} == set(kinds().values()) - {Answers}, "which only earlier versions made"


def data_files(folder: Path, *, manifests: bool) -> dict[str, str]:
    """One file of each kind of artefact and role."""
    store, found = Project(folder).store, {}
    for family in kinds():
        for place, manifest in store.under(family).items():
            if manifests:
                found.setdefault(family, f"{place}/manifest.json")
            for role, ref in () if manifests else manifest.files.items():
                found.setdefault(f"{family}:{role.split('/')[0]}", f"{place}/{ref.name}")
    return found


def beambell(capsys, *words: str) -> tuple[int, str]:
    code = 0
    try:
        main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, "".join((out + err).split())  # a terminal wraps long paths


def check_that_nothing_is_made_of_it(folder: Path, name: str, expected: dict[str, bytes], capsys) -> bool:
    """Run all stages: either the damage is named, or all that is made is as if it was not there."""
    code, said = beambell(capsys, "run", "--project", str(folder))
    assert "Traceback" not in said
    if code:
        assert code == 1, said
        assert name.rpartition("/")[2] in said, said
        assert "whattodo" in said
        return True
    found = tree_bytes(folder / "data")
    assert {key: data for key, data in found.items() if key != name} == {k: v for k, v in expected.items() if k != name}
    return False


def all_files(base: Path) -> list[str]:
    return [*data_files(base, manifests=False).values(), *data_files(base, manifests=True).values()]


def test_a_sixth_of_all_kinds_of_files(base, tmp_path, expected, capsys):
    """Each is damaged in a way of its own; most are read, and so are named. The heavy test has all, in every way."""
    named = []
    for n, name in enumerate(all_files(base)[::6]):
        damage = DAMAGES[n % len(DAMAGES)]
        if damage is removed and name.endswith("manifest.json"):
            damage = flipped  # without its manifest, it is not there: that is no damage
        folder = shutil.copytree(base, tmp_path / f"p{n}")
        change(folder)
        damage(folder / "data" / name)
        if check_that_nothing_is_made_of_it(folder, name, expected, capsys):
            named.append(name)
        shutil.rmtree(folder)
    assert len(named) > 3, named


@pytest.mark.heavy
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_kind_of_file_in_every_way(base, tmp_path, expected, capsys, damage):
    for n, name in enumerate(all_files(base)):
        if damage is removed and name.endswith("manifest.json"):
            continue
        folder = shutil.copytree(base, tmp_path / f"p{n}")
        change(folder)
        damage(folder / "data" / name)
        check_that_nothing_is_made_of_it(folder, name, expected, capsys)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["evaluation/metrics.json", "labels/stream=mails/dt=2026-01-04/labels.parquet"])
def test_a_folder_where_a_file_is_to_be_written_is_named(folder, name, capsys):
    change(folder)
    (folder / "data" / name).unlink(missing_ok=True)
    (folder / "data" / name / "inner").mkdir(parents=True)
    code, said = beambell(capsys, "run", "--project", str(folder))
    assert code == 1
    assert "afolderlieswhereafilebelongs" in said
    assert name in said


@pytest.mark.parametrize("name", ["evaluation", "verdicts/stream=mails/dt=2026-01-04", "partitions/stream=mails"])
def test_a_file_where_a_folder_is_to_be_made_is_named(folder, name, capsys):
    change(folder)
    shutil.rmtree(folder / "data" / name, ignore_errors=True)
    (folder / "data" / name).write_text("a file")
    code, said = beambell(capsys, "run", "--project", str(folder))
    assert code == 1
    assert "afilelieswhereafolderbelongs" in said
    assert name in said


SWAPS = ("partitions", "votes", "candidates", "labels")


@pytest.mark.parametrize("family", SWAPS)
@pytest.mark.parametrize("how", ["swapped", "copied", "of another stream"])
def test_an_artefact_of_another_partition(folder, capsys, family, how):
    before = tree_bytes(folder / "data")
    top = folder / "data" / Layout.__dict__[family.upper()] / "stream=mails"
    one, two, aside = top / "dt=2026-01-01", top / "dt=2026-01-02", folder / "aside"
    if how == "swapped":
        shutil.move(one, aside)
        shutil.move(two, one)
        shutil.move(aside, two)
    elif how == "copied":
        shutil.rmtree(one)
        shutil.copytree(two, one)
    else:
        shutil.copytree(top, top.parent / "stream=letters")
    code, said = beambell(capsys, "run", "--project", str(folder))
    assert (code, "copied,movedorswapped" in said) == (1, True)
    found = {finding.where for finding in verify_project(Project(folder)).errors}
    bad = {name for name in found if name.endswith("manifest.json")}  # and the books of such a stream do not add up
    wrong = {"swapped": [one, two], "copied": [one], "of another stream": (top.parent / "stream=letters").iterdir()}
    assert bad == {f"{path.relative_to(folder / 'data').as_posix()}/manifest.json" for path in wrong[how]}
    for name in bad:
        (folder / "data" / name).unlink()
    run_stages(folder)
    shutil.rmtree(top.parent / "stream=letters", ignore_errors=True)
    if family != "partitions":
        found = tree_bytes(folder / "data")
        named = {name: data for name, data in found.items() if name in before}
        assert named == {name: data for name, data in before.items() if name in found}


@pytest.mark.parametrize("edit", ["a figure", "spelled anew", "another kind", "a new key", "another id"])
@pytest.mark.parametrize("family", sorted(kinds().keys() - {Answers.FOLDER}))
def test_a_manifest_that_was_edited_by_hand(base, tmp_path, family, edit):
    store = Project(base).store
    place, manifest = next(iter(store.under(family).items()))
    path = tmp_path / place / "manifest.json"
    path.parent.mkdir(parents=True)
    tree = manifest.to_tree()
    if edit == "a figure":
        tree["facts"] = {**tree["facts"], "rows": 7}
    elif edit == "another kind":
        tree = Manifest("newer", manifest.files, manifest.inputs, manifest.facts).to_tree()
    elif edit == "a new key":
        tree["signature"] = "x"
    elif edit == "another id":
        tree["id"] = "0" * 64
    spelled = json.dumps(tree) if edit == "spelled anew" else canonical_json(tree).decode()
    path.write_text(spelled)
    copy = Store(str(tmp_path), homes=HOMES)
    with pytest.raises(ArtefactError) as raised:
        copy.under(family)
    assert raised.value.where == str(path)
    assert raised.value.fix
    assert place in {finding.where.rpartition("/")[0] for finding in verify(copy).errors}


@pytest.mark.parametrize(
    ("series", "command"),
    [("models/registry/complaints/v", ("models", "list")), ("decisions/complaints/d", ("models", "list"))],
)
def test_a_gap_in_numbered_records(folder, capsys, series, command):
    for c in (5.0, 6.0):  # two more versions, and a decision about each
        change_params(folder, model={"C": c})
        run_stages(folder, "train", "evaluate", "register", "promote")
    lost = f"{series}0002"
    shutil.rmtree(folder / "data" / lost)
    code, said = beambell(capsys, *command, "--project", str(folder))
    assert (code, lost in said, "restoreit" in said) == (1, True, True)
    assert lost in {finding.where for finding in verify_project(Project(folder)).errors}


def test_a_batch_of_feedback_that_is_gone(folder, capsys):
    batch = min((folder / "data" / Layout.FEEDBACK_BATCHES).iterdir())
    shutil.rmtree(batch)
    code, said = beambell(capsys, "feedback", "sync", "--project", str(folder))
    assert (code, batch.name in said) == (1, True)
    assert [finding.where for finding in verify_project(Project(folder)).errors] == [f"feedback/batches/{batch.name}"]
    (folder / "data" / Layout.FEEDBACK / "manifest.json").unlink()  # as the message says, to go on without it
    assert beambell(capsys, "run", "--project", str(folder))[0] == 0


def test_a_damaged_partition_stops_no_other(folder, capsys):
    name = data_files(folder, manifests=False)["partitions:rows"]
    change(folder)
    lfs = folder / "labeling_functions" / "mails.py"
    lfs.write_text(lfs.read_text().replace(STATEFUL, ""))  # they read all that came before
    shutil.rmtree(folder / "data" / "votes")
    flipped(folder / "data" / name)
    code, said = beambell(capsys, "apply", "--project", str(folder))
    assert (code, name in said) == (1, True)
    assert len(Project(folder).store.partitions(Layout.VOTES)) == 2
    (folder / "data" / name).unlink()
    (folder / "data" / name).with_name("manifest.json").unlink()
    assert beambell(capsys, "run", "--project", str(folder))[0] == 0
    assert verify_project(Project(folder), deep=True).errors == ()


def test_verify_deep_counts_the_votes_again(folder, capsys):
    store = Project(folder).store
    place, other = list(store.partitions(Layout.VOTES))[:2]
    source, manifest = (store.read(Layout.of(Layout.VOTES, p)) for p in (other, place))
    target = Layout.of(Layout.VOTES, place)
    store.copy(Layout.of(Layout.VOTES, other), target, [source.files["patterns"]])
    files = {**manifest.files, "patterns": source.files["patterns"]}
    store.publish(target, Manifest("votes", files, manifest.inputs, manifest.facts))
    run_stages(folder, "merge")
    assert verify(Project(folder).store, deep=True).errors == ()
    code, said = beambell(capsys, "verify", "--deep", "--project", str(folder))
    assert (code, "arenotthoseofitsvotes" in said) == (1, True)


@pytest.mark.parametrize("bit", [0.02, 0.3, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("place", [Layout.LFS, f"{Layout.STATE}/log"])
def test_records_without_a_manifest_are_checked_too(folder, place, bit):
    victim = next(path for path in sorted((folder / "data" / place).rglob("*.json")))
    flipped(victim, bit)
    (found,) = (f for f in verify_project(Project(folder), deep=True).findings if f.severity == "error")
    assert (found.where, bool(found.fix)) == (str(victim.relative_to(folder / "data")), True)


def test_the_record_of_another_labeling_function_is_no_record_of_this_one(folder):
    first, second = sorted((folder / "data" / Layout.LFS).rglob("*.json"))[:2]
    good = first.read_bytes()
    first.write_bytes(second.read_bytes())
    (found,) = (f for f in verify_project(Project(folder), deep=True).findings if f.severity == "error")
    assert found.where == str(first.relative_to(folder / "data"))
    assert str(second.relative_to(folder / "data")) in found.what
    first.unlink()  # as the message says
    run_stages(folder)
    assert first.read_bytes() == good
