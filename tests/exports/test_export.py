"""An export is whole or not there, says what it is, and costs what has changed."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest
from handed_on import ODD, read_all
from killing import call_and_die
from projects import change_params, run_stages, tree_bytes

from beambell import Project
from beambell.errors import ArtefactError, LockedError, StorageError, UsageError
from beambell.exports.export import export_labels
from beambell.exports.place import Place
from beambell.exports.request import ROWS, VOTES, Request
from beambell.exports.splits import Splits
from beambell.store import Selection

HASHED = Splits.parse("hash")
FULL = {"beside": (ROWS, VOTES), "splits": HASHED}


def export(project, out, format_="csv", **asked):
    replace = asked.pop("replace", False)
    return export_labels(project, Request(format_, **asked), str(out), replace=replace)


NEEDS = {"hf": "datasets", "delta": "deltalake"}


@pytest.mark.parametrize("name", ["out", "labels"])
@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl", "hf", "delta"])
def test_every_label_is_there_once_and_every_text_as_it_was(handed, tmp_path, format_, name):
    if format_ in NEEDS:
        pytest.importorskip(NEEDS[format_])
    out = tmp_path / (name if name == "out" else f"{name}.{format_}")
    made = export(Project(handed), out, format_, beside=(ROWS, VOTES))
    rows = read_all(out)
    labels = Project(handed).labels().to_pandas()
    assert made.rows == len(rows) == len(labels)
    assert sorted(str(row["id"]) for row in rows) == sorted(labels["id"])
    assert {row["text"] for row in rows} >= set(ODD)
    of = {row["id"]: row for row in rows}
    assert [int(of[id_]["label"]) for id_ in labels["id"]] == labels["label"].tolist()
    assert {of[id_]["label_name"] or None for id_ in labels["id"][labels["label"] == -1]} == {None}
    for day in ("2026-01-01", "2026-01-04"):
        votes = Project(handed).votes("mails", day)
        assert [int(of[id_]["vote_broken"]) for id_ in votes["id"]] == votes["broken"].tolist()
    assert [
        float(of[i]["p_complaint"]) for i in labels["id"] if of[i]["p_complaint"] not in ("", None)
    ] == pytest.approx(labels["p_complaint"].dropna().tolist(), abs=1e-6)


def test_pandas_reads_each_format_the_obvious_way(handed, tmp_path):
    project = Project(handed)
    for format_, read in (
        ("parquet", pd.read_parquet),
        ("csv", lambda path: pd.read_csv(path, keep_default_na=False)),
        ("jsonl", lambda path: pd.read_json(path, lines=True, dtype={"text": str})),
    ):
        out = tmp_path / f"all.{format_}"
        export(project, out, format_, beside=(ROWS,))
        assert set(ODD) <= set(read(out)["text"]), format_
    export(project, tmp_path / "folder", "parquet", beside=(ROWS,), splits=HASHED)
    assert len(pd.read_parquet(tmp_path / "folder")) == project.labels().count_rows()


def test_the_manifest_says_what_it_is_made_from(handed, tmp_path):
    project = Project(handed)
    made = export(project, tmp_path / "out", "jsonl", min_probability=0.6, **FULL)
    manifest = json.loads((tmp_path / "out/_manifest.json").read_text())
    assert manifest["parameters"]["min_probability"] == 0.6
    assert manifest["parameters"]["splits"] == {"train": 0.8, "valid": 0.1, "test": 0.1}
    votes = project.store.read("votes/stream=mails/dt=2026-01-01")
    assert manifest["lfs"] == {lf["name"]: [lf["fingerprint"]] for lf in votes.facts["lfs"]}
    (model,) = manifest["label_models"]
    assert manifest["label_models"][model] == {"kind": "dawid_skene"}
    assert model == project.store.read("label_models").id
    rows = read_all(tmp_path / "out")
    assert made.rows + made.left_out == project.labels().count_rows()
    for split in HASHED.names:
        mine = [row for row in rows if row["split"] == split]
        counts = manifest["counts"].get(split, {"rows": 0})
        assert counts["rows"] == len(mine)
        for name, number in counts.get("classes", {}).items():
            assert number == sum(row["label_name"] == name for row in mine)
    assert all(max(row["p_other"], row["p_complaint"]) >= 0.6 for row in rows)


@pytest.mark.parametrize(("format_", "package"), NEEDS.items())
def test_a_package_that_is_missing_is_named(handed, tmp_path, monkeypatch, format_, package):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(UsageError, match=rf"needs the package '{package}'[^$]*pip install 'beambell\[{format_}\]'"):
        export(Project(handed), tmp_path / "out", format_)
    assert list(tmp_path.iterdir()) == []


def test_a_label_is_a_class_label(handed, tmp_path):
    datasets = pytest.importorskip("datasets")
    export(Project(handed), tmp_path / "out", "hf", splits=HASHED)
    found = datasets.load_from_disk(str(tmp_path / "out"))
    assert set(found) == {"train", "valid", "test"}
    assert found["train"].features["label"].names == ["other", "complaint"]
    assert found["train"].features["label"].int2str(1) == "complaint"


def test_a_delta_table_gets_a_version_when_something_changed(handed, tmp_path):
    deltalake = pytest.importorskip("deltalake")
    out, project = tmp_path / "out", Project(handed)

    def table():
        return deltalake.DeltaTable(str(out))

    export(project, out, "delta", selection=Selection(end="2026-01-02"))
    export(project, out, "delta", selection=Selection(end="2026-01-02"))
    assert table().version() == 0
    export(project, out, "delta", selection=Selection(start="2026-01-02"))
    assert table().version() == 1
    frame = table().to_pandas()
    assert sorted(set(frame["dt"])) == ["2026-01-02", "2026-01-03", "2026-01-04"]
    export(project, out, "delta", selection=Selection(start="2026-01-02"), beside=(ROWS,))
    assert table().version() == 2
    assert set(ODD) <= set(table().to_pandas()["text"])
    only = deltalake.DeltaTable(str(out)).to_pandas(filters=[("dt", "=", "2026-01-04")])
    assert len(only) == len(ODD)


def test_a_file_of_the_same_rows_under_other_options_is_not_written_anew(handed, tmp_path):
    out = tmp_path / "labels.csv"
    export(Project(handed), out)
    again = export(Project(handed), out, selection=Selection(start="2025-01-01"))
    assert (again.written, again.kept) == (0, 4)
    assert json.loads((tmp_path / "labels.csv.manifest.json").read_text())["parameters"]["from"] == "2025-01-01"
    assert len(read_all(out)) == again.rows


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_an_export_of_two_ranges_is_the_two_exports(handed, tmp_path, format_):
    project = Project(handed)
    for name, start, end in (("a", None, "2026-01-02"), ("b", "2026-01-03", None), ("both", None, None)):
        export(project, tmp_path / name, format_, selection=Selection(start=start, end=end), **FULL)
    parts = {**tree_bytes(tmp_path / "a"), **tree_bytes(tmp_path / "b")}
    both = tree_bytes(tmp_path / "both")
    del parts["_manifest.json"], both["_manifest.json"]
    assert parts == both


def test_the_same_again_writes_nothing_and_a_new_label_only_its_partition(project, tmp_path):
    out = tmp_path / "out"
    first = export(project, out)
    before = {path: path.stat().st_ino for path in out.rglob("*.csv")}
    assert (first.written, first.kept) == (4, 0)
    again = export(project, out)
    assert (again.written, again.kept) == (0, 4)
    raw = project.path / "data/raw/mails"
    (raw / "2026-01-05.csv").write_text(
        "mail_id,received_at,sender,attachments,text\nz1,2026-01-05T08:00:00Z,ann,1,Late and broken.\n"
    )
    change_params(project.path, labels={"relabel_days": 1})
    run_stages(project.path)
    more = export(Project(project.path), out)
    assert (more.written, more.kept) == (2, 3)  # that of 4 January is relabelled: it lies within the day
    kept = [path for path, inode in before.items() if path.stat().st_ino == inode]
    assert len(kept) == 3
    export(Project(project.path), tmp_path / "fresh")
    assert tree_bytes(out) == tree_bytes(tmp_path / "fresh")


def put_in(out):
    (out / "mine.txt").write_text("do not lose me")


def edited(out):
    path = next(out.rglob("*.csv"))
    path.write_text(path.read_text().replace("complaint", "complaint!", 1))


def removed(out):
    next(out.rglob("*.csv")).unlink()


def linked(out):
    path = next(out.rglob("*.csv"))
    shutil.move(path, out.parent / "elsewhere.csv")
    path.symlink_to(out.parent / "elsewhere.csv")


def of_another_project(out):
    manifest = json.loads((out / "_manifest.json").read_text())
    (out / "_manifest.json").write_text(json.dumps({**manifest, "project": "other"}))


def of_a_namesake(out):
    text = (out / "_manifest.json").read_text()
    (out / "_manifest.json").write_text(text.replace('"partition": "mails/', '"partition": "letters/'))


def garbled(out):
    (out / "_manifest.json").write_text("{")


def bare(out):
    (out / "_manifest.json").unlink()


@pytest.mark.parametrize("change", [put_in, edited, removed, linked, of_another_project, of_a_namesake, garbled, bare])
def test_what_is_not_ours_any_more_is_not_lost_unasked(handed, tmp_path, change):
    out = tmp_path / "out"
    export(Project(handed), out)
    change(out)
    before = tree_bytes(out)
    with pytest.raises(UsageError, match="would be lost"):
        export(Project(handed), out)
    assert tree_bytes(out) == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] == ".") == []
    export(Project(handed), out, replace=True)
    export(Project(handed), tmp_path / "fresh")
    assert tree_bytes(out) == tree_bytes(tmp_path / "fresh")


def test_a_file_that_was_changed_is_not_lost_unasked(handed, tmp_path):
    out = tmp_path / "labels.csv"
    export(Project(handed), out)
    assert export(Project(handed), out).written == 0
    out.write_text("mine")
    with pytest.raises(UsageError, match="would be lost"):
        export(Project(handed), out)
    export(Project(handed), out, replace=True)
    assert len(read_all(out)) == Project(handed).labels().count_rows()


def test_places_that_nothing_may_be_put_to(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = project.path / "data"
    for out in (project.path, tmp_path, inside, inside / "labels", inside / "votes/x", inside / "raw/mails", "/"):
        with pytest.raises(UsageError):
            export(project, out, replace=True)
    with pytest.raises(UsageError, match="folder of this machine"):
        export(project, "s3://bucket/labels")
    assert Project(project.path).labels().count_rows()


def test_nothing_published_is_said(project, tmp_path):
    with pytest.raises(ArtefactError, match="no labels are published"):
        export(project, tmp_path / "out", selection=Selection(start="2027-01-01"))
    assert list(tmp_path.glob(".out*")) == []


def test_two_at_once_do_not_mix(handed, tmp_path):
    with Place(tmp_path / "out", is_file=False).drafting(), pytest.raises(LockedError, match="under way"):
        export(Project(handed), tmp_path / "out")
    assert export(Project(handed), tmp_path / "out").written == 4


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killing", "beambell.exports.export", "beambell.project", "pyarrow.csv"])
    return context


def _export_and_die(n, folder, out, asked):
    call_and_die(n, lambda: export(Project(folder), out, **asked))


@pytest.mark.parametrize("name", ["out", "labels.csv", pytest.param("delta", marks=pytest.mark.heavy)])
@pytest.mark.parametrize("is_there", [pytest.param(False, marks=pytest.mark.heavy), True])
def test_killed_at_any_instant_the_next_run_gives_the_same_bytes(processes, handed, tmp_path, name, is_there):
    format_ = "delta" if name == "delta" else "csv"
    asked = {"format_": format_, "selection": Selection(start="2026-01-02", end="2026-01-03"), "beside": (ROWS,)}
    (tmp_path / "fresh").mkdir()
    export(Project(handed), tmp_path / "fresh" / name, **asked)
    expected = tree_bytes(tmp_path / "fresh")
    old = tmp_path / "old"
    old.mkdir()
    if is_there:
        export(Project(handed), old / name, format_, selection=Selection(start="2026-01-01", end="2026-01-02"))
    (tmp_path / "updated").mkdir()
    shutil.copytree(old, tmp_path / "updated", dirs_exist_ok=True)
    export(Project(handed), tmp_path / "updated" / name, **asked)
    if format_ == "csv":  # of a table, the log tells of what was there before
        assert tree_bytes(tmp_path / "updated") == expected
    expected = tree_bytes(tmp_path / "updated")
    died = 0
    for n in range(1, 60):
        here = shutil.copytree(old, tmp_path / f"at{n}")
        process = processes.Process(target=_export_and_die, args=(n, handed, here / name, asked))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        died += 1
        seen = {path: data for path, data in tree_bytes(here).items() if path[0] != "."}
        if name != "labels.csv":
            assert seen in (tree_bytes(old), expected), n  # readers see the one or the other
        export(Project(handed), here / name, **asked)
        assert tree_bytes(here) == expected, n
    assert died > 8


@pytest.mark.parametrize("harm", [lambda data: data[:-5], lambda data: data[:-2] + b"~\n", lambda _: None])
def test_what_a_killed_run_left_is_looked_at_before_it_is_taken(processes, handed, tmp_path, harm):
    """A disk that lost its power keeps names of files without their bytes."""
    process = processes.Process(target=_export_and_die, args=(14, handed, tmp_path / "out", FULL))
    process.start()
    process.join()
    left = list((tmp_path / ".out.beambell-draft").rglob("*.csv"))
    assert left
    for path in left:
        data = harm(path.read_bytes())
        path.unlink() if data is None else path.write_bytes(data)
    (tmp_path / ".out.beambell-draft/stray.csv").write_text("of nobody")
    export(Project(handed), tmp_path / "out", **FULL)
    export(Project(handed), tmp_path / "fresh", **FULL)
    assert tree_bytes(tmp_path / "out") == tree_bytes(tmp_path / "fresh")


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk takes rights that this user has not")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_a_full_disk_leaves_the_old_export(handed, small_disk, format_):
    project = Project(handed)
    day = Selection(start="2026-01-01", end="2026-01-01")
    export(project, small_disk / "out", format_, selection=day)
    before = tree_bytes(small_disk)
    (small_disk / "ballast").write_bytes(
        bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - 4096)
    )
    with pytest.raises(StorageError, match="the disk is full"):
        export(project, small_disk / "out", format_, beside=(ROWS, VOTES))
    (small_disk / "ballast").unlink()
    assert tree_bytes(small_disk) == before


def test_a_limit_on_files_leaves_the_old_export(handed, tmp_path):
    export(Project(handed), tmp_path / "out", selection=Selection(end="2026-01-01"))
    before = tree_bytes(tmp_path / "out")
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600));"
        "from beambell.cli import main; main()"
    )
    words = ["labels", "export", "--project", str(handed), "--format", "csv", "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "may not grow that large" in json.loads(done.stdout)["error"]
    assert tree_bytes(tmp_path / "out") == before


def test_a_read_only_project_is_exported(project, tmp_path):
    for path in [project.path, *project.path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tree_bytes(project.path)
    try:
        assert export(Project(project.path), tmp_path / "out", **FULL).written == 4
        assert tree_bytes(project.path) == before
    finally:
        for path in [project.path, *project.path.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_damaged_labels_are_not_handed_on(project, tmp_path):
    path = next(project.path.glob("data/published/stream=mails/dt=2026-01-02/labels-*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtefactError, match="2026-01-02"):
        export(project, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_of_a_newer_revision_are_found_by_id(project, tmp_path):
    """Labels that the gate refused leave the old ones published; the rows are corrected all the same."""
    raw = project.path / "data/raw/mails/2026-01-04.csv"
    raw.write_text(
        "mail_id,received_at,sender,attachments,text\n"
        "new,2026-01-04T00:00:00Z,bob,1,Brand new\n"
        "o03,2026-01-04T03:00:00Z,bob,1,Corrected\n",
    )
    run_stages(project.path, "ingest")
    made = export(Project(project.path), tmp_path / "out", beside=(ROWS,), splits=HASHED)
    rows = {row["id"]: row for row in read_all(tmp_path / "out")}
    assert rows["o03"]["text"] == "Corrected"
    assert rows["o05"]["text"] == ""
    assert "new" not in rows
    assert any(f"{len(ODD) - 1} labels are of rows" in warning for warning in made.warnings)
