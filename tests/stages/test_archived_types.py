"""A type that changes after files were archived: what says the same is converted, and no wrong type loses a row."""

from __future__ import annotations

import shutil
import signal

import pytest
from killing import call_and_die
from projects import change_params, published, run_stages, write_params
from steps_of_files import LFS, PARAMS

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.stages.ingest import balance

VALUES = {"2026-01-01": ["5", "abc", "7"], "2026-01-02": ["8", "9", "1"]}


def make(folder, values=VALUES, removed="keep", kind="string"):
    folder.mkdir(parents=True)
    one = {**PARAMS["streams"]["one"], "fields": {"v": kind}, "removed": removed}
    write_params(folder, {**PARAMS, "streams": {"one": one, "two": PARAMS["streams"]["two"]}})
    (folder / "lfs_of_files.py").write_text(LFS)
    for stream in ("one", "two"):
        (folder / stream).mkdir()
    for day, cells in values.items():
        words, days = ["hello", "refund", "hello"], ["2026-01-03", day, day]
        lines = [f"{day}-{i},{words[i]},{days[i]},{cell}" for i, cell in enumerate(cells)]
        (folder / f"one/{day}.csv").write_text("\n".join(["id,text,ts,v", *lines, ""]))
    (folder / "two/a.csv").write_text("id,text,ts\nx,hello,2026-01-01\n")
    return folder


def become(folder, kind):
    change_params(folder, streams={"one": {"fields": {"v": kind}}})


def ingest(folder):
    return run_stages(folder, "ingest")["ingest"]


def column(folder):
    project = Project(folder)
    found = {}
    for partition in project.store.partitions("partitions"):
        if partition.stream == "one":
            rows = project.rows("one", partition.dt, "arrow")
            found |= dict(zip(rows["id"].to_pylist(), rows["v"].to_pylist(), strict=True))
    return found


def partitions(folder):
    return {name: data for name, data in published(folder).items() if name.startswith("partitions/")}


CASES = [
    ("string", "int", ["5", " 7 ", "abc"], {0: 5, 1: 7}),
    ("string", "float", ["1.5", "1e3", "x"], {0: 1.5, 1: 1000.0}),
    ("string", "bool", ["true", "0", "perhaps"], {0: True, 1: False}),
    ("int", "string", ["5", "7", "9"], {0: "5", 1: "7", 2: "9"}),
    ("int", "float", ["5", "9007199254740993", "9"], {0: 5.0, 2: 9.0}),
    ("float", "int", ["5.0", "1.5", "9"], {0: 5, 2: 9}),
    ("float", "string", ["5.5", "1e3", ""], {0: "5.5", 1: "1000.0", 2: None}),
    ("bool", "int", ["true", "", "false"], {1: None}),
]


@pytest.mark.parametrize(("before", "after", "cells", "kept"), CASES)
def test_what_says_the_same_is_converted_and_the_rest_is_named(tmp_path, before, after, cells, kept):
    folder = make(tmp_path / "p", {"2026-01-01": cells, "2026-01-02": ["1"] * 3}, kind=before)
    ingest(folder)
    original = partitions(folder)
    (folder / "one/2026-01-01.csv").unlink()
    become(folder, after)
    outcome = ingest(folder)
    values = {row: value for row, value in column(folder).items() if row.startswith("2026-01-01")}
    assert values == {f"2026-01-01-{i}": value for i, value in kept.items()}
    said = [warning for warning in outcome.warnings if "archived" in warning]
    assert len(said) == (len(kept) < len(cells))
    for warning in said:
        first = next(i for i in range(len(cells)) if i not in kept)
        assert warning.startswith("one/2026-01-01.csv: ")
        assert "'v'" in warning
        assert f"line {first + 2}" in warning
        assert "--withdraw" in warning
    assert balance(Project(folder))["unexplained"] == 0
    assert verify(Project(folder).store, deep=True).errors == ()
    assert ingest(folder).done == 0
    become(folder, before)
    ingest(folder)
    assert partitions(folder) == original, "no type that was wrong loses anything"


def test_other_partitions_streams_and_stages_go_on(tmp_path):
    folder = make(tmp_path / "p")
    run_stages(folder)
    (folder / "one/2026-01-01.csv").unlink()
    become(folder, "int")
    (folder / "two/b.csv").write_text("id,text,ts\ny,refund,2026-01-01\n")
    (folder / "one/2026-01-03.csv").write_text("id,text,ts,v\nlate,hello,2026-01-01,12\n")
    change_params(folder, gate={"max_quarantined": 0.9})
    run_stages(folder)
    assert column(folder)["late"] == 12
    assert Project(folder).labels("two", "2026-01-01").shape[0] == 2
    assert "late" in set(Project(folder).labels("one", "2026-01-01")["id"])


def test_a_removed_file_s_type_is_of_no_concern(tmp_path):
    folder = make(tmp_path / "p", removed="withdraw")
    ingest(folder)
    (folder / "one/2026-01-01.csv").unlink()
    become(folder, "int")
    ingest(folder)
    assert column(folder) == {"2026-01-02-0": 8, "2026-01-02-1": 9, "2026-01-02-2": 1}


@pytest.mark.heavy
def test_killed_while_rows_are_set_aside(processes, tmp_path):
    """Before any of its writes, or none: the type is set back, and all rows are there again."""
    base = make(tmp_path / "base")
    ingest(base)
    original = partitions(base)
    for n in range(1, 60):
        folder = shutil.copytree(base, tmp_path / str(n))
        for path in (folder / "one").iterdir():
            path.unlink()
        become(folder, "int")
        process = processes.Process(target=call_and_die, args=(n, ingest, folder))
        process.start()
        process.join()
        if n % 2:
            ingest(folder)
            assert verify(Project(folder).store, deep=True).errors == ()
        become(folder, "string")
        ingest(folder)
        assert partitions(folder) == original
        if process.exitcode != -signal.SIGKILL:
            return
    raise AssertionError("it has more writes than were tried")
