"""Published labels, read the obvious way: every current row once, at any moment, by whatever reads Parquet."""

from __future__ import annotations

import glob
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from killing import call_and_die
from projects import run_stages, tree_bytes

from beambell import Project
from beambell.artefacts.gc import find_garbage, remove_garbage
from beambell.stages.order import STAGES
from beambell.stages.public_labels import PublicLabels
from beambell.stages.verification import verify_project
from beambell.store import Files, Layout, Partition
from beambell.views.lineage import trace
from beambell.workshop.starter import start

Seen = list[tuple[str, int]]


def by_pandas(labels: Path) -> Seen:
    return pairs(pd.read_parquet(labels))


def by_pandas_and_a_glob(labels: Path) -> Seen:
    names = glob.glob(f"{labels}/**/*.parquet", recursive=True)  # noqa: PTH207 - as people do it
    return pairs(pd.concat(pd.read_parquet(name) for name in names))


def by_any_file(labels: Path) -> Seen:
    return pairs(pd.concat(pd.read_parquet(path) for path in labels.rglob("*") if path.is_file()))


def by_pyarrow(labels: Path) -> Seen:
    return pairs(ds.dataset(labels, partitioning="hive").to_table().to_pandas())


def by_parquet_table(labels: Path) -> Seen:
    return pairs(pq.read_table(labels).to_pandas())


def by_duckdb(labels: Path) -> Seen:
    import duckdb

    return pairs(duckdb.sql(f"select * from read_parquet('{labels}/**/*.parquet', hive_partitioning=true)").df())


def by_duckdb_and_two_stars(labels: Path) -> Seen:
    import duckdb

    return pairs(duckdb.sql(f"select id, label from '{labels}/*/*/*.parquet'").df())


def by_polars(labels: Path) -> Seen:
    import polars as pl

    frame = pl.scan_parquet(f"{labels}/**/*.parquet", hive_partitioning=True).collect()
    return sorted(zip(frame["id"].to_list(), frame["label"].to_list(), strict=True))


# Polars opens a file several times for one scan, so it may end with an error while the file is replaced: see docs.
READERS: tuple[Callable[[Path], Seen], ...] = (
    by_pandas, by_pandas_and_a_glob, by_any_file, by_pyarrow, by_parquet_table,
    by_duckdb, by_duckdb_and_two_stars, by_polars,
)  # fmt: skip


def pairs(frame: pd.DataFrame) -> Seen:
    return sorted(zip(frame["id"], frame["label"], strict=True))


def published(folder: Path) -> Seen:
    """What the manifests say is published."""
    project = Project(folder)
    tables = [project.labels(p.stream, p.dt, "arrow") for p in project.store.partitions(Layout.LABELS)]
    return pairs(pa.concat_tables(tables).to_pandas())


def edit(folder: Path) -> None:
    lfs = folder / "labeling_functions" / "mails.py"
    lfs.write_text(lfs.read_text().replace('"damaged", ', "").replace('endswith("?")', 'endswith(".")'))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A project with published labels; not to be changed."""
    folder = tmp_path_factory.mktemp("published") / "p"
    start(folder)
    run_stages(folder)
    return folder


@pytest.fixture(scope="module")
def judged(base, tmp_path_factory):
    """That project with other candidate labels, which `validate` is about to publish; not to be changed."""
    folder = shutil.copytree(base, tmp_path_factory.mktemp("judged") / "p")
    edit(folder)
    run_stages(folder, "feedback", "apply", "merge", "count", "fit", "label")
    return folder


@pytest.fixture(scope="module")
def done(judged, tmp_path_factory):
    """The bytes of that project after an undisturbed run of `validate`."""
    folder = shutil.copytree(judged, tmp_path_factory.mktemp("done") / "p")
    run_stages(folder, "validate")
    return tree_bytes(folder / "data")


@pytest.fixture
def folder(base, tmp_path):
    return shutil.copytree(base, tmp_path / "p")


@pytest.fixture(scope="module")
def moments(base, tmp_path_factory):
    """That project as it was, after an edit and a run, and after one more run; not to be changed."""
    edited = shutil.copytree(base, tmp_path_factory.mktemp("edited") / "p")
    edit(edited)
    run_stages(edited)
    again = shutil.copytree(edited, tmp_path_factory.mktemp("again") / "p")
    run_stages(again)
    return base, edited, again


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_everybody_sees_every_current_row_once(moments, read):
    for folder in moments:
        assert read(folder / "data" / "labels") == published(folder)


def test_there_is_nothing_else(folder):
    edit(folder)
    run_stages(folder)
    found = {path.name for path in (folder / "data" / "labels").rglob("*") if path.is_file()}
    assert found == {"labels.parquet"}
    frame = pd.read_parquet(folder / "data" / "labels")
    assert {"id", "label", "p_other", "p_complaint", "stream", "dt"} <= set(frame.columns)
    assert set(frame["stream"]) == {"mails"}
    assert Counter(map(str, frame["dt"])) == {"2026-01-01": 10, "2026-01-02": 10, "2026-01-03": 10}


def test_also_while_a_run_publishes(processes, judged, tmp_path):
    """Many times over: it publishes one labelling, and the other again, while others read."""
    folder = shutil.copytree(judged, tmp_path / "p")
    labels, rows = folder / "data" / "labels", len(published(folder))
    writer = processes.Process(target=publish_again_and_again, args=(folder, 20))
    writer.start()
    looks = Counter()
    while writer.is_alive():
        for read in READERS[:-1]:
            seen = [row for row, _ in read(labels)]
            assert (len(seen), len(set(seen))) == (rows, rows), read.__name__
            looks[read.__name__] += 1
    writer.join()
    assert writer.exitcode == 0
    assert min(looks.values()) > 3


def publish_again_and_again(folder: Path, times: int) -> None:
    project = Project(folder)
    with project.writing():
        public = PublicLabels(project)
        for n in range(times):
            kind = (Layout.CANDIDATES, Layout.LABELS)[n % 2]
            for partition, manifest in project.store.partitions(kind).items():
                target = Layout.of(Layout.LABELS, partition)
                project.store.copy(Layout.of(kind, partition), target, manifest.files.values())
                public.publish(partition, project.store.publish(target, manifest))


def changes_of(processes, base: Path, folder: Path, *stages: str) -> int:
    """How many changes of the data root those stages make."""
    shutil.copytree(base, folder)
    log = folder.parent / "log"
    process = processes.Process(target=note, args=(folder, log, stages))
    process.start()
    process.join()
    assert process.exitcode == 0
    return len(log.read_text().splitlines())


def note(folder: Path, log: Path, stages: tuple[str, ...]) -> None:
    with log.open("w") as file:
        Files.observer = lambda verb, name: print(verb, name, file=file)
        run_stages(folder, *stages)


def kill_at_every_change(processes, base: Path, tmp_path: Path, *stages: str, every: int = 1):
    """Yield the project after each kill, and run it to the end when the caller has looked."""
    for n in range(1, 1 + changes_of(processes, base, tmp_path / "noted", *stages), every):
        folder = shutil.copytree(base, tmp_path / f"p{n}")
        process = processes.Process(target=call_and_die, args=(n, run_stages, folder, *stages))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        yield folder
        run_stages(folder, *stages)


@pytest.mark.heavy
def test_also_after_a_kill_anywhere(processes, judged, done, tmp_path):
    before, rows = published(judged), len(published(judged))
    for folder in kill_at_every_change(processes, judged, tmp_path, "validate", every=7):
        labels = folder / "data" / "labels"
        for read in (by_pandas, by_any_file, by_duckdb):
            seen = read(labels)
            assert len(dict(seen)) == len(seen) == rows
        run_stages(folder, "validate")
        assert tree_bytes(folder / "data") == done
    assert by_pandas(labels) == published(folder) != before


def swap(labels: Path) -> set[str]:
    shutil.move(labels / "dt=2026-01-01", labels / "aside")
    shutil.move(labels / "dt=2026-01-02", labels / "dt=2026-01-01")
    shutil.move(labels / "aside", labels / "dt=2026-01-02")
    return {"2026-01-01", "2026-01-02"}


def flip(labels: Path) -> set[str]:
    path = labels / "dt=2026-01-02" / "labels.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return {"2026-01-02"}


def remove(labels: Path) -> set[str]:
    (labels / "dt=2026-01-02" / "labels.parquet").unlink()
    return {"2026-01-02"}


def remove_all(labels: Path) -> set[str]:
    shutil.rmtree(labels)
    return {"2026-01-01", "2026-01-02", "2026-01-03"}


def add(labels: Path) -> set[str]:
    shutil.copytree(labels / "dt=2026-01-02", labels / "dt=2026-02-02")
    return {"2026-02-02"}


def empty(labels: Path) -> set[str]:
    (labels / "dt=2026-01-02" / "labels.parquet").write_bytes(b"")
    return {"2026-01-02"}


@pytest.mark.parametrize("harm", [swap, flip, remove, remove_all, add, empty], ids=lambda harm: harm.__name__)
def test_what_others_did_to_the_files_is_found_and_put_right(folder, harm):
    before = tree_bytes(folder / "data")
    wrong = {f"labels/stream=mails/dt={dt}/labels.parquet" for dt in harm(folder / "data/labels/stream=mails")}
    for deep in (False, True):
        errors = verify_project(Project(folder), deep=deep).errors
        assert {finding.where for finding in errors} == wrong
        assert {finding.fix for finding in errors} == {"`beambell run` puts it right"}
    validate = next(stage for stage in STAGES if stage.name == "validate")
    project = Project(folder)
    assert wrong == {task.key for task in validate.plan(project, project.select()).tasks}
    outcome = run_stages(folder, "validate")["validate"]
    assert outcome.figures["put_right"] == len(wrong)
    assert tree_bytes(folder / "data") == before
    assert verify_project(Project(folder), deep=True).errors == ()
    assert "put_right" not in run_stages(folder, "validate")["validate"].figures


def test_a_flip_that_no_stamp_shows_is_found_by_reading_every_byte(folder):
    import os

    path = folder / "data/labels/stream=mails/dt=2026-01-02/labels.parquet"
    PublicLabels(Project(folder)).wrong()
    stat = path.stat()
    flip(path.parents[1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = {finding.where for finding in verify_project(Project(folder), deep=True).errors}
    assert found == {"labels/stream=mails/dt=2026-01-02/labels.parquet"}


def test_labels_that_are_withdrawn_go_from_everybody_first(folder, monkeypatch):
    partition, said = Partition("mails", "2026-01-02"), []
    monkeypatch.setattr(Files, "observer", lambda verb, name: said.append((verb, name)))
    project = Project(folder)
    with project.writing():
        PublicLabels(project).withdraw(partition)
    assert [name for verb, name in said if verb == "remove" and "dt=" in name] == [
        "labels/stream=mails/dt=2026-01-02/labels.parquet",
        "published/stream=mails/dt=2026-01-02/manifest.json",
    ]
    assert len(by_pandas(folder / "data" / "labels")) == 20


@pytest.mark.parametrize(
    "subject",
    ["data/labels/stream=mails/dt=2026-01-02/labels.parquet", "labels/stream=mails/dt=2026-01-02/labels.parquet"],
)
def test_the_file_is_a_subject_of_lineage(folder, subject):
    for name in (subject, str(folder / "data" / subject.removeprefix("data/"))):
        assert trace(Project(folder), name).subject == "labels mails/2026-01-02"


# -- data roots of before ----------------------------------------------------------------------------------------


def as_before(folder: Path) -> Path:
    """Put the labels where they lay once: manifests and hashed files, also superseded ones, in everybody's folder."""
    data = folder / "data"
    shutil.rmtree(data / "labels")
    shutil.move(data / "published", data / "labels")
    old = data / "labels/stream=mails/dt=2026-01-02"
    shutil.copy(next(old.glob("*.parquet")), old / f"labels-{'0' * 16}.parquet")
    shutil.rmtree(folder / ".beambell", ignore_errors=True)
    return folder


def test_labels_of_before_are_readable_where_they_lie(folder):
    expected, seen = published(folder), trace(Project(folder), "mails/2026-01-02")
    before = tree_bytes(as_before(folder) / "data")
    assert published(folder) == expected
    assert trace(Project(folder), "mails/2026-01-02") == seen
    assert verify_project(Project(folder), deep=True).errors == ()
    project = Project(folder)
    assert [stage.name for stage in STAGES if stage.plan(project, project.select()).tasks] == []
    assert list(find_garbage(project.store).files) == [f"labels/stream=mails/dt=2026-01-02/labels-{'0' * 16}.parquet"]
    assert tree_bytes(folder / "data") == before


def test_labels_of_before_are_moved_by_the_next_command_that_writes(folder):
    expected = tree_bytes(folder / "data")
    as_before(folder)
    run_stages(folder, "merge")
    assert tree_bytes(folder / "data") == expected
    assert by_pandas(folder / "data" / "labels") == published(folder)


def test_moving_them_can_be_killed_anywhere(processes, base, tmp_path):
    expected, rows = tree_bytes(base / "data"), published(base)
    old = as_before(shutil.copytree(base, tmp_path / "old"))
    for folder in kill_at_every_change(processes, old, tmp_path, "merge", every=2):
        assert published(folder) == rows
        for dt in ("2026-01-01", "2026-01-03"):  # the other day's superseded file doubled its rows before
            seen = by_pandas_and_a_glob(folder / f"data/labels/stream=mails/dt={dt}")
            assert len(dict(seen)) == len(seen) == 10
        run_stages(folder, "merge")
        assert tree_bytes(folder / "data") == expected


def test_damaged_labels_of_before_stop_nobody_else(folder):
    as_before(folder)
    path = next(path for path in (folder / "data/labels/stream=mails/dt=2026-01-01").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    run_stages(folder, "merge")
    left = {p.relative_to(folder / "data/labels").as_posix() for p in (folder / "data" / "labels").rglob("*.parquet")}
    assert left == {f"stream=mails/dt=2026-01-01/{path.name}"} | {
        f"stream=mails/dt=2026-01-0{n}/labels.parquet" for n in (2, 3)
    }
    (finding,) = (f for f in verify_project(Project(folder)).errors if f.where.endswith(path.name))
    assert str(path.relative_to(folder / "data")) in finding.fix


def test_superseded_files_that_no_manifest_knows_are_garbage(folder):
    stray = folder / "data/labels/stream=mails/dt=2026-01-01" / f"labels-{'a' * 16}.parquet"
    stray.write_bytes(b"x")
    project = Project(folder)
    garbage = find_garbage(project.store)
    assert list(garbage.files) == [stray.relative_to(folder / "data").as_posix()]
    remove_garbage(project.store, garbage)
    assert not stray.exists()
