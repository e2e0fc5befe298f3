"""A partition that loses all its rows is withdrawn with all that was made from it, and nothing is stuck."""

from __future__ import annotations

import shutil

import pytest
from projects import change_params, published, run_stages, write_params
from steps_of_files import LFS, PARAMS, csv, write

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.errors import GateError
from beambell.stages.feedback import add_event
from beambell.store import Layout

STATEFUL = """
from beambell.labeling import stateful_labeling_function
from beambell.labeling.aggregates import count

@stateful_labeling_function(key="id", aggregate=count(), fields=(), label=1)
def seen(row, past):
    return past > 0
"""
OF_PARTITION = (
    Layout.PARTITIONS,
    Layout.VOTES,
    Layout.CANDIDATES,
    Layout.LABELS,
    Layout.VERDICTS,
)


def day(n: int, rows: int = 6) -> str:
    return csv(*((f"r{n}-{i}" if i else "shared", ("refund", "hello")[i % 2], n) for i in range(rows)))


FILES = {f"one/2026-01-{n:02d}.csv": day(n) for n in (1, 2, 3)} | {"two/a.csv": day(4)}
LOST = "one/2026-01-01.csv"


def moved(folder, files):
    write(folder, {**files, LOST: day(1).replace("2026-01-01T", "2026-01-02T")})


def removed(folder, files):
    write(folder, {name: text for name, text in files.items() if name != LOST})


def emptied(folder, files):
    write(folder, {**files, LOST: "id,text,ts\n"})


def first_moved(folder, files):
    change_params(folder, streams={"one": {"first": "2026-01-02"}})


def coarser(folder, files):
    change_params(folder, streams={"one": {"grain": "month"}})


CHANGES = {"moved": moved, "removed": removed, "emptied": emptied, "first moved": first_moved, "coarser": coarser}


def make(folder):
    folder.mkdir(parents=True)
    write_params(folder, PARAMS)
    (folder / "lfs_of_files.py").write_text(LFS + STATEFUL)
    write(folder, FILES)
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """That project, run to the end; not to be changed."""
    folder = make(tmp_path_factory.mktemp("ran") / "project")
    run_stages(folder)
    return folder


@pytest.fixture(scope="module")
def reviewed(ran, tmp_path_factory):
    """The same, after somebody answered; not to be changed."""
    folder = shutil.copytree(ran, tmp_path_factory.mktemp("reviewed") / "project")
    answer(folder)
    run_stages(folder)
    return folder


def answer(folder):
    add_event(Project(folder), row_id="r1-1", stream="one", label="other", reviewer="ada", time="2026-02-01")


def known(folder):
    # What was registered and reviewed is history; and so is what was garbage.
    kinds = (*OF_PARTITION, Layout.DELIVERIES, Layout.STATE, Layout.LABEL_MODEL, Layout.AGGREGATES, Layout.END_MODEL)
    return {name: data for name, data in published(folder).items() if name.startswith(tuple(f"{k}/" for k in kinds))}


@pytest.mark.parametrize("change", CHANGES)
def test_a_day_without_rows_is_gone_everywhere_in_one_run(reviewed, tmp_path, change):
    folder, scratch = shutil.copytree(reviewed, tmp_path / "project"), make(tmp_path / "scratch")
    CHANGES[change](folder, FILES)
    CHANGES[change](scratch, FILES)
    run_stages(folder)
    for kind in OF_PARTITION:
        assert "2026-01-01" not in {p.dt for p in Project(folder).store.partitions(kind)}
    outcomes = run_stages(folder)
    assert [stage for stage, outcome in outcomes.items() if outcome.done] == []
    assert verify(Project(folder).store, deep=True).errors == ()
    answer(scratch)
    run_stages(scratch)
    assert known(folder) == known(scratch)


def test_the_last_day_of_all_may_go(tmp_path):
    folder = make(tmp_path / "project")
    write(folder, {LOST: FILES[LOST]})
    run_stages(folder)
    write(folder, {})
    run_stages(folder)
    assert not [name for name in published(folder) if name.startswith(tuple(f"{kind}/" for kind in OF_PARTITION))]
    assert Project(folder).state().n_rows == 0
    write(folder, FILES)
    run_stages(folder)
    assert len(Project(folder).labels("one", "2026-01-01")) == 6


@pytest.mark.parametrize("text", ["", "id,body,ts\n1,hello,2026-01-01\n", "id,text,ts\n1,hello,yesterday\n"])
def test_a_day_of_which_nothing_is_readable_keeps_its_last_good_labels_and_fails_the_gate(ran, tmp_path, text):
    folder = shutil.copytree(ran, tmp_path / "project")
    before = Project(folder).labels("one", "2026-01-01")
    write(folder, {**FILES, LOST: text})
    for _ in range(2):
        with pytest.raises(GateError, match="one/2026-01-01"):
            run_stages(folder)
        assert Project(folder).labels("one", "2026-01-01").equals(before)
    write(folder, FILES)
    run_stages(folder)
    assert Project(folder).labels("one", "2026-01-01").equals(before)
    write(folder, {**FILES, LOST: text})
    with pytest.raises(GateError):
        run_stages(folder)
    removed(folder, FILES)
    run_stages(folder)
    assert "2026-01-01" not in {p.dt for p in Project(folder).store.partitions(Layout.LABELS)}
