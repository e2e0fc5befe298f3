"""Whatever happens to raw files, and whoever dies: partitions and records are as made from the files that are there."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from killing import call_and_die
from projects import change_params, published, run_stages, write_params
from steps_of_files import FILES, LFS, PARAMS, corrected, removed, renamed, same, write

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.errors import ArtefactError
from beambell.stages.ingest import balance
from beambell.store import Files

EVENTS = {"same": same, "corrected": corrected, "removed": removed, "renamed": renamed}


def make(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    write_params(folder, PARAMS)
    (folder / "lfs_of_files.py").write_text(LFS)
    write(folder, files)
    return folder


def ingest(folder: Path) -> None:
    run_stages(folder, "ingest")


def note(folder: Path, log: Path) -> None:
    changes: list[str] = []
    Files.observer = lambda verb, name: changes.append(f"{verb} {name}")
    ingest(folder)
    log.write_text("\n".join(changes))


def known(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in published(folder).items() if name.startswith(("partitions/", "deliveries/"))}


def alone(processes, target, *arguments) -> int:
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join()
    return process.exitcode


@pytest.fixture(scope="module")
def scratch(processes, tmp_path_factory):
    """Ingest files in a new project; each set of files once."""
    made: dict[str, dict[str, bytes]] = {}

    def ingested(files: dict[str, str]) -> dict[str, bytes]:
        key = repr(sorted(files.items()))
        if key not in made:
            folder = make(tmp_path_factory.mktemp("scratch") / "project", files)
            assert alone(processes, ingest, folder) == 0
            made[key] = known(folder)
        return made[key]

    return ingested


@pytest.fixture(scope="module", params=["first", "second"])
def begun(request, processes, tmp_path_factory):
    """A project before its first ingest, or one where a file was corrected after it; and the changes of the next."""
    folder = make(tmp_path_factory.mktemp(request.param) / "project", FILES)
    files = dict(FILES)
    if request.param == "second":
        assert alone(processes, ingest, folder) == 0
        files = corrected(FILES, "an earlier correction")
        write(folder, files)
    log = folder.parent / "log"
    trial = shutil.copytree(folder, folder.parent / "trial")
    assert alone(processes, note, trial, log) == 0
    return folder, files, log.read_text().splitlines()


def survives(processes, scratch, begun, folder: Path, n: int, event: str) -> None:
    start, files, _ = begun
    shutil.copytree(start, folder)
    assert alone(processes, call_and_die, n, ingest, folder) == -signal.SIGKILL
    files = EVENTS[event](files, "after the crash")
    write(folder, files)
    assert alone(processes, ingest, folder) == 0
    assert known(folder) == scratch(files)
    assert verify(Project(folder).store, deep=True).errors == ()
    assert min(balance(Project(folder)).values()) == balance(Project(folder))["unexplained"] == 0
    shutil.rmtree(folder)


@pytest.mark.parametrize("event", EVENTS)
def test_killed_between_partitions_and_records(processes, scratch, begun, tmp_path, event):
    names = begun[2]
    for start in ("rename partitions/", "rename deliveries/"):
        places = [n for n, name in enumerate(names, 1) if name.startswith(start)]
        for n in {places[-1], places[len(places) // 2]}:
            survives(processes, scratch, begun, tmp_path / str(n), n, event)


@pytest.mark.heavy
@pytest.mark.parametrize("event", EVENTS)
def test_killed_at_every_write(processes, scratch, begun, tmp_path, event):
    for n in range(1, len(begun[2]) + 1):
        survives(processes, scratch, begun, tmp_path / str(n), n, event)


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_and_its_undoing_without_a_crash(processes, scratch, tmp_path, event):
    folder = make(tmp_path / "project", FILES)
    ingest(folder)
    files = EVENTS[event](FILES, "a change")
    for now in (files, FILES, files):
        write(folder, now)
        ingest(folder)
        assert known(folder) == scratch(now)
    assert run_stages(folder, "ingest")["ingest"].done == 0


@pytest.mark.parametrize("n", [3, 7, 14])
def test_killed_while_columns_change_and_then_they_do_not(processes, tmp_path, n):
    folder = make(tmp_path / "project", FILES)
    ingest(folder)
    before = known(folder)
    change_params(folder, streams={"one": {"fields": {"text2": "string"}, "max_text_chars": 9}})
    assert alone(processes, call_and_die, n, ingest, folder) == -signal.SIGKILL
    write_params(folder, PARAMS)
    ingest(folder)
    assert known(folder) == before


def test_books_that_do_not_balance_are_an_error(tmp_path):
    folder = make(tmp_path / "project", FILES)
    ingest(folder)
    project = Project(folder)
    place, manifest = next(iter(project.store.under("partitions/stream=one").items()))
    sources = {name: records - 3 for name, records in manifest.facts["sources"].items()}
    facts = {**manifest.facts, "records": 0, "duplicates": -manifest.facts["rows"], "sources": sources}
    project.store.publish(place, type(manifest)(manifest.kind, manifest.files, manifest.inputs, facts))
    said = [finding for finding in verify(project.store).errors if finding.where.startswith(place)]
    assert any("has other records of" in finding.what for finding in said)
    assert any("rows of 0 records" in finding.what for finding in said)
    from beambell.stages.ingest import check_books

    with pytest.raises(ArtefactError, match="unexplained"):
        check_books(project, project.select())
    ingest(folder)
    assert verify(Project(folder).store).errors == ()
