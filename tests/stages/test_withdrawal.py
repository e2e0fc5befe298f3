"""Files that are gone, and files that a person takes out: their rows go, in words, or stay where that was said."""

from __future__ import annotations

import json

import pytest
from projects import change_params, published, run_stages, write_params
from steps_of_files import CHANGED, FILES, LFS, PARAMS, corrected, csv, removed, write

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.cli import main
from beambell.errors import PartError
from beambell.stages.ingest import balance, plan
from beambell.store import Layout, Manifest


def make(folder, files=FILES):
    folder.mkdir(parents=True, exist_ok=True)
    write_params(folder, PARAMS)
    (folder / "lfs_of_files.py").write_text(LFS)
    write(folder, files)
    return folder


@pytest.fixture
def folder(tmp_path):
    make(tmp_path / "project")
    run_stages(tmp_path / "project", "ingest")
    return tmp_path / "project"


def ingest(folder, **selection):
    return run_stages(folder, "ingest", **selection)["ingest"]


def command(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(words)
    captured = capsys.readouterr()
    return end.value.code or 0, captured.out, captured.err


def partitions(folder):
    return {name: data for name, data in published(folder).items() if name.startswith("partitions/")}


def scratch(tmp_path, files):
    folder = make(tmp_path / "scratch", files)
    run_stages(folder, "ingest")
    return partitions(folder)


def test_a_removed_file_is_spoken_of(folder):
    write(folder, removed(FILES, ""))
    (task,) = plan(Project(folder), Project(folder).select()).tasks
    assert (task.key, task.reason) == (CHANGED, "removed: its 4 rows in 3 partitions are taken out")
    outcome = ingest(folder)
    assert outcome.warnings == (f"removed: {CHANGED}, 4 rows in 3 partitions",)
    assert outcome.figures["withdrawn"] == 1
    (said,) = outcome.details["withdrawn"]
    assert (said["file"], said["rows"], said["partitions"], said["why"]) == (CHANGED, 4, 3, "removed")


@pytest.mark.parametrize("gone", [["one/2026-01-01.csv", CHANGED, "one/2026-01-03.csv"], ["two/a.csv", "two/b.csv"]])
def test_all_files_gone_at_once_are_a_folder_that_is_not_there(folder, capsys, gone):
    before, stream = partitions(folder), gone[0][:3]
    files = {name: text for name, text in FILES.items() if name not in gone}
    more = {"one": "two/c.csv", "two": "one/2026-01-09.csv"}[stream]
    write(folder, {**files, more: csv(("new", "hello", 9))})
    for _ in range(2):
        with pytest.raises(
            PartError, match=f"all {len(gone)} raw files on record are gone at once, from {stream}"
        ) as no:
            ingest(folder)
        assert "--withdraw" in no.value.fix
        assert "removed: keep" in no.value.fix
    after = partitions(folder)
    assert {name: after.get(name) for name in before} == before
    assert len(after) == len(before) + 2, "the other stream goes on"
    code, out, _ = command(capsys, "run", "--project", str(folder), "--json")
    report = json.loads(out)
    assert (code, report["kind"], report["outcomes"][0]["ended"]) == (1, "PartError", "failed")
    assert {one["stage"]: one["ended"] for one in report["outcomes"]}["train"] == "done"
    write(folder, FILES | {more: csv(("new", "hello", 9))})
    ingest(folder)
    write(folder, {**files, more: csv(("new", "hello", 9))})
    code, _, err = command(capsys, "ingest", "--project", str(folder), "--stream", stream, "--withdraw", "*")
    assert code == 0
    assert f"withdrawn: {gone[0]}" in err
    assert stream not in {p.stream for p in Project(folder).store.partitions(Layout.PARTITIONS)}


def test_a_folder_that_was_renamed_is_no_loss(folder):
    (folder / "one").rename(folder / "uno")
    change_params(folder, streams={"one": {"inputs": ["uno/{dt}*"]}})
    ingest(folder)
    rows = Project(folder).rows("one", "2026-01-02", "arrow")
    assert {name.partition("/")[0] for name in rows["_file"].to_pylist()} == {"uno"}
    assert len(set(rows["id"].to_pylist())) == rows.num_rows


@pytest.mark.parametrize("change", [removed, corrected])
def test_a_withdrawn_file_stays_out_until_it_changes_or_is_let_in(folder, tmp_path, capsys, change):
    before = partitions(folder)
    without = scratch(tmp_path, removed(FILES, ""))
    code, out, _ = command(capsys, "ingest", "--project", str(folder), "--withdraw", "one/*-02.csv", "--dry-run")
    assert (code, partitions(folder)) == (0, before)
    assert "its 4 rows in 3 partitions are taken out" in out
    code, out, _ = command(capsys, "ingest", "--project", str(folder), "--withdraw", "one/*-02.csv", "--json")
    assert [one["file"] for one in json.loads(out)["details"]["withdrawn"]] == [CHANGED]
    assert (code, partitions(folder)) == (0, without)
    assert ingest(folder).done == 0
    assert verify(Project(folder).store).errors == ()
    assert CHANGED in command(capsys, "status", "--project", str(folder))[1]
    write(folder, change(FILES, "changed"))
    ingest(folder)
    write(folder, FILES)
    ingest(folder)
    if change is removed:
        assert partitions(folder) == without, "the same bytes that were taken out"
        assert command(capsys, "ingest", "--project", str(folder), "--restore", str(folder / CHANGED))[0] == 0
    assert partitions(folder) == before
    assert balance(Project(folder))["unexplained"] == 0


@pytest.mark.parametrize(("option", "word"), [("--withdraw", "there is no raw file"), ("--restore", "was withdrawn")])
def test_a_name_that_fits_no_file_is_refused(folder, capsys, option, word):
    code, _, err = command(capsys, "ingest", "--project", str(folder), option, "one/2026-01-03.cvs")
    assert code == 2
    assert word in err
    assert ("one/2026-01-03.csv" in err) == (option == "--withdraw")


def test_a_file_may_be_withdrawn_before_it_is_read(folder, capsys):
    write(folder, {**FILES, "one/2026-01-08.csv": csv(("x", "hello", 8))})
    assert command(capsys, "ingest", "--project", str(folder), "--withdraw", "one/2026-01-08.csv")[0] == 0
    assert "2026-01-08" not in {p.dt for p in Project(folder).store.partitions(Layout.PARTITIONS)}


@pytest.mark.parametrize("selection", [{"start": "2026-01-03"}, {"streams": ["two"]}, {"end": "2026-01-01"}])
def test_a_selection_looks_at_its_own_files_only(folder, selection):
    before = partitions(folder)
    write(folder, removed(FILES, ""))
    assert ingest(folder, **selection).done == 0
    assert partitions(folder) == before
    assert ingest(folder, start="2026-01-02", end="2026-01-02").figures["withdrawn"] == 1
    assert partitions(folder) != before


def test_rows_of_a_removed_file_stay_where_that_was_said(folder, tmp_path):
    change_params(folder, streams={"one": {"removed": "keep"}, "two": {"removed": "keep"}})
    before = partitions(folder)
    write(folder, {})
    assert ingest(folder).done == 0
    assert partitions(folder) == before
    # A partition that is made again takes them from itself.
    other = "one/2026-01-03.csv"
    text = csv(("e", "hello", 3), ("d", "hello", 2), ("h", "refund", 2))
    write(folder, {other: text})
    ingest(folder)
    assert partitions(folder) == scratch(tmp_path, {**FILES, other: text})
    assert verify(Project(folder).store).errors == ()
    change_params(folder, streams={"one": {"removed": "withdraw"}})
    ingest(folder)
    assert {row for p in (2, 3) for row in Project(folder).rows("one", f"2026-01-0{p}")["id"]} == {"d", "e", "h"}


def test_files_that_an_older_version_read_keep_their_rows_when_they_are_gone(folder, tmp_path):
    store = Project(folder).store
    for place, record in store.under(Layout.DELIVERIES).items():
        facts = {name: value for name, value in record.facts.items() if name not in ("bytes", "lost")}
        store.publish(place, Manifest(record.kind, record.files, record.inputs, facts))
    assert ingest(folder).done == 0, "nothing is read again"
    write(folder, removed(FILES, ""))
    outcome = ingest(folder)
    assert outcome.done == 0
    assert "1 files of stream 'one' are gone, and their rows stay" in outcome.warnings[0]
    with pytest.raises(SystemExit):
        main(["ingest", "--project", str(folder), "--withdraw", CHANGED])
    assert partitions(folder) == scratch(tmp_path, removed(FILES, ""))
