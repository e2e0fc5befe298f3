"""``params.yaml``: what it may say, and how it complains."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import REPOSITORY

from beambell import Project
from beambell.config import load_params
from beambell.errors import ConfigError, ExitCode

GOOD = """\
project: tiny
classes: [ham, spam]
lfs: {modules: [mine]}
streams:
  comments:
    inputs: ["raw/{dt}.csv"]
"""


def load(folder: Path, text: str):
    (folder / "params.yaml").write_text(text)
    return load_params(folder)


def test_the_repository_s_own_params_are_valid():
    params = load_params(REPOSITORY)
    assert params.classes == ("ham", "spam")
    assert set(params.streams) == {"comments", "messages"}


def test_defaults_fill_what_is_not_said(tmp_path):
    params = load(tmp_path, GOOD)
    assert params.streams["comments"].grain == "day"
    assert params.cardinality == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GOOD + "    grian: day\n", 7, ["unknown key streams.comments.grian", "did you mean 'grain'?"]),
        (GOOD + "label_modle: {}\n", 7, ["unknown key label_modle", "did you mean 'label_model'?"]),
        (
            GOOD + "    gold: gold.csv\n",
            7,
            ["streams.comments.gold", "write it under evaluation", "known here", "grain, id"],
        ),
        (GOOD + "text: body\n", 7, ["write it under a stream", "known here are beam, classes"]),
        (GOOD + "xyzzy: 1\n", 7, ["what to do: take it out; known here are beam, classes"]),
        (GOOD + "evaluation: {gold: gold.csv}\n", 7, ["should be a list, not 'gold.csv'", 'write gold: ["gold.csv"]']),
        (GOOD + "evaluation: {gold: 5}\n", 7, ["evaluation.gold (line 7): should be a list, not 5"]),
        (GOOD + "    fields: [a]\n", 7, ["fields (line 7): should be a section, with keys below it"]),
        (GOOD + "evaluation: gold.csv\n", 7, ["evaluation (line 7): should be a section, with keys below it"]),
        (GOOD + "beam: {workers: many}\n", 7, ["beam.workers", "valid integer", "'many'"]),
        (GOOD + "gate: {min_coverage: 1.5}\n", 7, ["gate.min_coverage", "less than or equal to 1"]),
        (GOOD + "  ../evil:\n    inputs: [a]\n", 7, ["'../evil' must match"]),
        (GOOD + "project: again\n", 7, ["project is given twice (first on line 1)"]),
        (GOOD + "model: {streams: [nowhere]}\n", None, ["model.streams names unknown streams: nowhere"]),
        (GOOD.replace("[ham, spam]", "[ham, ham]"), None, ["classes must be distinct"]),
        (GOOD.replace("[ham, spam]", "[ham]"), 2, ["classes", "at least 2"]),
        (GOOD.replace("project: tiny\n", ""), None, ["project is missing", "add project"]),
        (GOOD + "    text: id\n", 5, ["column 'id' is reserved"]),
        (GOOD + "    fields: {dt: string}\n", 5, ["column 'dt' is reserved"]),
        (GOOD + "    fields: {text: string}\n", 5, ["is the text and must not be listed"]),
        (GOOD.replace("{dt}", "x") + "    undated: delivery\n", 5, ["undated: delivery needs {dt}"]),
        (GOOD + "beam: {runner: FnApiRuner}\n", 7, ["beam.runner", "did you mean 'FnApiRunner'?", "'FnApiRuner'"]),
        (GOOD + "beam: {runner: flinkk}\n", 7, ["beam.runner", "did you mean 'FlinkRunner'?"]),
        (GOOD + "beam: {runner: Hadoop}\n", 7, ["beam.runner", "it knows FnApiRunner, PortableRunner"]),
        (GOOD + "beam: {runner: DaskRunner}\n", 7, ["beam.runner", "DaskRunner leaves out parts"]),
        (GOOD + "beam: {runner: apache_beam.runners.dask.dask_runner.DaskRunner}\n", 7, ["leaves out parts"]),
        (GOOD + "beam: {runner: ''}\n", 7, ["beam.runner"]),
        (GOOD + "beam: {options: [job_endpoint=here:1]}\n", 7, ["begins with --, unlike 'job_endpoint=here:1'"]),
        (GOOD + "beam: {options: [--runner=FlinkRunner]}\n", 7, ["name the runner in beam.runner"]),
        (GOOD + "    encoding: klingon\n", 7, ["encoding", "no such encoding", "'klingon'"]),
        (GOOD + "    encoding: rot13\n", 7, ["encoding", "no such encoding"]),
        (GOOD + "    first: soon\n", 5, ["first: 'soon' is not a partition of grain day, such as '2026-01-03'"]),
        (GOOD + "    first: '2026-02-30'\n", 5, ["first: '2026-02-30' is not a partition"]),
        (GOOD + "    first: '2026-01'\n", 5, ["first: '2026-01' is not a partition of grain day"]),
        (GOOD + "    grain: hour\n    first: '2026-01-01'\n", 5, ["grain hour, such as '2026-01-03T07'"]),
        (GOOD + "    first: delivery\n", 5, ["first: 'delivery' is no date"]),
        (GOOD + "    undated: never\n", 5, ["undated: 'never' is not a partition"]),
        (GOOD + "data: file:///srv/data\n", 7, ["data", "written as a path, without file://"]),
        ("- a\n- b\n", None, ["expected a mapping"]),
        ("a: [", 1, ["not valid YAML"]),
    ],
)
def test_a_wrong_file_is_named_with_line_and_key(tmp_path, text, line, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert (f"params.yaml:{line}" if line else "params.yaml") in message
    for word in words:
        assert word in message
    assert "tuple" not in message
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("data", ["params.yaml", "/dev/null"])
def test_a_data_root_that_is_no_folder_is_said(tmp_path, data):
    (tmp_path / "params.yaml").write_text(GOOD + f"data: {data}\n")
    with pytest.raises(ConfigError, match=r"data in params\.yaml: .* is no folder"):
        Project(tmp_path)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="--project DIR"):
        load_params(tmp_path)


def test_wrong_encoding_is_named(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"project: caf\xe9\n")
    with pytest.raises(ConfigError, match="not valid UTF-8"):
        load_params(tmp_path)


def test_the_environment_overrides_one_key(tmp_path, monkeypatch):
    monkeypatch.setenv("BEAMBELL__BEAM__WORKERS", "7")
    params = load(tmp_path, GOOD + "beam: {rows_per_item: 10}\n")
    assert (params.beam.workers, params.beam.rows_per_item) == (7, 10)


def test_beam_options_of_the_command_line_are_added(tmp_path):
    params = load(tmp_path, GOOD).with_beam_options(["--runner=PortableRunner", "--job_endpoint=localhost:1"])
    assert params.beam.runner == "PortableRunner"
    assert params.beam.options == ("--job_endpoint=localhost:1",)
    again = params.with_beam_options(["--runner", "flink", "--parallelism", "2"])
    assert (again.beam.runner, again.beam.options[1:]) == ("FlinkRunner", ("--parallelism", "2"))
    for wrong in (["--runner=FlinkRuner"], ["--runner"], ["job_endpoint=localhost:1"], ["--runner=DaskRunner"]):
        with pytest.raises(ValueError, match=r"runner|option|Dask"):
            params.with_beam_options(wrong)


@pytest.mark.parametrize(
    ("said", "scale", "days"),
    [
        ("embedded: {scale: 0.5, days: 3}\n", 0.5, 3),
        ("embedded: {scale: 0.5}\ndemo: {days: 4}\n", 0.5, 4),
        ("embedded: {scale: 0.5}\ndemo: {scale: 0.25}\n", 0.25, 14),
        ("demo: {scale: 0.25}\n", 0.25, 14),
    ],
)
def test_the_demo_is_still_found_by_its_former_name(tmp_path, said, scale, days):
    demo = load(tmp_path, GOOD + said).demo
    assert (demo.scale, demo.days) == (scale, days)
