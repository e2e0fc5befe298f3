"""What patterns find: every file they fit as they are written, and a word about those that fit none."""

from __future__ import annotations

import re

import pytest
from projects import run_stages, write_params
from steps_of_files import FILES, LFS, PARAMS, write

from beambell import Project
from beambell.cli import main
from beambell.errors import ConfigError
from beambell.stages.ingest import plan
from beambell.stages.raw_files import RawFiles, name_pattern


@pytest.fixture
def folder(tmp_path):
    write_params(tmp_path, PARAMS)
    (tmp_path / "lfs_of_files.py").write_text(LFS)
    write(tmp_path, FILES)
    return tmp_path


def with_inputs(folder, *inputs):
    write_params(folder, {**PARAMS, "streams": {"one": {**PARAMS["streams"]["one"], "inputs": list(inputs)}}})
    return Project(folder)


def command_line(*words):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code


@pytest.mark.parametrize(
    ("pattern", "name", "dt"),
    [
        ("{dt}*", "2026-01-03.csv", "2026-01-03"),
        ("*{dt}*", "mails-2026-01-03-part2.csv", "2026-01-03"),
        ("{dt}-*.csv", "2026-01-03-7.csv", "2026-01-03"),
        ("mails-{dt}.csv", "mails-2026-01-03.csv", "2026-01-03"),
        ("{dt}/{dt}-*.csv", "2026-01-03/2026-01-03-a.csv", "2026-01-03"),
        ("{dt}/*.csv", "2026-01-03/part.csv", "2026-01-03"),
        ("{dt}*/[ab].csv", "2026-01-03-eu/b.csv", "2026-01-03"),
        ("**/{dt}.csv", "deep/deeper/2026-01-03.csv", "2026-01-03"),
        ("**/{dt}.csv", "2026-01-03.csv", "2026-01-03"),
        ("[!x]-{dt}.cs?", "a-2026-01-03.csv", "2026-01-03"),
        ("a+b ({dt}).csv", "a+b (2026-01-03).csv", "2026-01-03"),
    ],
)
@pytest.mark.parametrize("start", ["in/", "./in/", "absolute"])
def test_a_pattern_works_as_it_is_written(folder, start, pattern, name, dt):
    start = f"{folder}/in/" if start == "absolute" else start
    path = folder / "in" / name
    path.parent.mkdir(parents=True)
    path.write_text("id,text,ts\n")
    project = with_inputs(folder, f"{start}{pattern}")
    raw = RawFiles(project, ["one"])
    (file,) = raw.selected(project.select())
    assert file.name.endswith(f"in/{name}")
    assert (file.delivery, file.fault, raw.unfit) == (dt, None, ())


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("s3://bucket/in/{dt}.csv", "s3://bucket/in/2026-01-03.csv"),
        ("memory://in/{dt}*", "memory:///in/2026-01-03.csv"),
    ],
)
def test_a_url_is_a_pattern_like_others(pattern, name):
    assert name_pattern(pattern).search(name)["dt"] == "2026-01-03"


@pytest.mark.parametrize("placeholder", ["date", "DT", "day", "", "dt:%Y", "stream"])
@pytest.mark.parametrize("where", ["inputs", "feedback", "gold"])
def test_a_placeholder_that_nobody_knows_is_an_error_with_its_line(folder, placeholder, where):
    pattern = f"in/{{{placeholder}}}.csv"
    if where == "inputs":
        changes = {"streams": {"one": {**PARAMS["streams"]["one"], "inputs": ["in/{dt}.csv", pattern]}}}
    else:
        changes = {"feedback": {"inputs": [pattern]}} if where == "feedback" else {"evaluation": {"gold": [pattern]}}
    write_params(folder, {**PARAMS, **changes})
    with pytest.raises(ConfigError, match=r"unknown placeholder \{.*the one there is is \{dt\}") as caught:
        Project(folder)
    assert "(line " in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("pattern", ["in/a**", "in/**.csv", "in/{dt}**"])
def test_two_stars_are_folders_or_an_error(folder, pattern):
    with pytest.raises(ConfigError, match="stands for folders"):
        with_inputs(folder, pattern)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (["one/{dt}*", "one/*.cvs"], r"streams\.one\.inputs: 'one/\*\.cvs' fits no file \(one holds 3 others"),
        (["one/{dt}*", "nowhere/{dt}.csv"], r"'nowhere/\{dt\}\.csv' fits no file \(there is no folder nowhere\)"),
        (["one/{dt}.jsonl"], r"stream 'one' has no file: 'one/\{dt\}\.jsonl' fits no file"),
        (["one/**"], r"stream 'one' has no file"),
    ],
)
def test_a_pattern_without_a_file_is_said_by_run_and_status(folder, capsys, inputs, said):
    project = with_inputs(folder, *inputs)
    for _ in range(2):
        (warning,) = plan(project, project.select()).warnings

        assert re.search(said, warning)
        for command in ("status", "ingest"):
            command_line(command, "--project", str(folder))
            captured = capsys.readouterr()
            assert "fits no file" in captured.out + captured.err
        run_stages(folder, "ingest")
