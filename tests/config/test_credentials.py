"""Credentials in URLs: refused wherever a URL stands, and repeated nowhere."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from beambell.arguments import refuse_credentials
from beambell.config import load_params
from beambell.credentials import credentials, masked
from beambell.errors import BeamBellError, ConfigError, LabelingFunctionError, UsageError
from beambell.labeling.files import find
from beambell.store import Store

SECRET = "hunter2"
URLS = [
    f"s3://AKIAX:{SECRET}@bucket/raw/{{dt}}.csv",
    f"s3://AKIAX:{SECRET}/a+b/c@bucket/raw.csv",
    f"https://ann:{SECRET}@example.org/gold.csv",
    f"https://{SECRET}@example.org/gold.csv",
    f"sftp://ann:{SECRET}@host/x",
    f"ftp://ann%3A{SECRET}@host/x",
    f"simplecache::s3://k:{SECRET}@bucket/x",
    f"zip://*.csv::https://ann:{SECRET}@host/x.zip",
    f"https://acc.blob.core.windows.net/c/f.csv?sv=2024&sig={SECRET}",
    f"https://acc.blob.core.windows.net/c/f.csv?sv=2024&SIG={SECRET}",
    f"https://host/f.csv?token={SECRET}",
    f"https://host/f.csv?access_token={SECRET}&page=2",
    f"https://host/f.csv#api-key={SECRET}",
    f"https://s3.amazonaws.com/b/f?X-Amz-Credential=x&X-Amz-Signature={SECRET}",
    f"https://storage.googleapis.com/b/f?X-Goog-Signature={SECRET}",
    f"https://host/f?AWSAccessKeyId=AKIA&Signature={SECRET}",
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET}==",
    f"https://proxy/?to=https%3A%2F%2Fann%3A{SECRET}%40host",
    f"http://host:8080/?to=s3://k:{SECRET}@b",
]
HARMLESS = [
    "raw/{dt}.csv",
    "s3://bucket/raw/dt={dt}/*.csv.gz",
    "s3://bucket/path@v1/f.csv",
    "s3://bucket/token=7/x.csv",
    "http://localhost:9000/path@v1/f.csv",
    "http://[::1]:9000/path@v1",
    "sftp://ann@host/x",
    "hdfs://ann@namenode:8020/x",
    "abfs://container@account.dfs.core.windows.net/x",
    "https://host/f.csv?page=2&version=3&versionId=abc",
    "--job_endpoint=localhost:8099",
    "--dataflow_kms_key=projects/p/locations/l",
    "--flink_master=host:8081",
    "memory://root",
    "someone@example.org: see C:/x",
]
PLACES = [
    "data",
    "streams.mails.inputs.0",
    "feedback.inputs.0",
    "evaluation.gold.1",
    "lfs.files.0",
    "beam.options.0",
    "label_model.options.cache",
    "label_model.options.a.b",
]


def params_with(place: str, value: str) -> tuple[str, int]:
    """Text of a project's parameters with a value at a place, and its line."""
    tree = {
        "project": "tiny",
        "data": "data",
        "classes": ["ham", "spam"],
        "lfs": {"modules": ["mine"], "files": ["lfs.yaml"]},
        "streams": {"mails": {"inputs": ["raw/{dt}.csv"]}},
        "feedback": {"inputs": ["feedback.csv"]},
        "evaluation": {"gold": ["gold.csv", "more.csv"]},
        "beam": {"options": ["--x=1"]},
        "label_model": {"options": {"cache": "x", "a": {"b": 1}}},
    }
    node = tree
    *parts, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    for part in parts:
        node = node[part]
    node[last] = value
    text = yaml.safe_dump(tree, width=1000, sort_keys=False)
    return text, next(n for n, line in enumerate(text.splitlines(), 1) if SECRET in line)


@pytest.mark.parametrize("url", URLS)
def test_a_secret_is_found_and_masked(url: str) -> None:
    assert credentials(url)
    assert SECRET not in str(credentials(url))
    assert SECRET not in masked(url) or "%3A%2F" in url  # what is encoded twice is refused, and not shown at all
    error = BeamBellError(f"cannot open {url}", where=url, fix=f"try {url}")
    assert SECRET not in f"{error} {error!r} {error.to_dict()} {error.args}" or "%3A%2F" in url


@pytest.mark.parametrize("url", HARMLESS)
def test_what_is_no_secret_stays(url: str) -> None:
    assert credentials(url) is None
    assert masked(url) == url


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("place", PLACES)
def test_params_refuse_it_with_line_and_key(tmp_path, place: str, url: str) -> None:
    text, line = params_with(place, f"--temp_location={url}" if place.startswith("beam") else url)
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_params(tmp_path)
    message = str(caught.value)
    assert f"params.yaml:{line}: {place} holds " in message
    assert "the environment" in message
    assert SECRET not in f"{message} {json.dumps(caught.value.to_dict())}"


@pytest.mark.parametrize("url", URLS[::4])
@pytest.mark.parametrize("name", ["BEAMBELL__DATA", "BEAMBELL__BEAM__OPTIONS", "BEAMBELL__STREAMS__MAILS__INPUTS"])
def test_so_does_the_environment(tmp_path, monkeypatch, name: str, url: str) -> None:
    (tmp_path / "params.yaml").write_text(params_with("label_model.options.a.b", "x" + SECRET)[0])
    monkeypatch.setenv(name, url if name.endswith("DATA") else json.dumps([url]))
    with pytest.raises(ConfigError, match=name) as caught:
        load_params(tmp_path)
    assert SECRET not in str(caught.value)


def test_a_key_that_is_a_url_is_refused_too(tmp_path) -> None:
    (tmp_path / "params.yaml").write_text(f"project: a\nstreams:\n  ? {URLS[0]!r}\n  : {{inputs: [a]}}\n")
    with pytest.raises(ConfigError, match=r"params.yaml:3: streams holds a password") as caught:
        load_params(tmp_path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [["--s3_secret_access_key", SECRET], [f"--s3_secret_access_key={SECRET}"], ["--x", "--azure_token", SECRET]],
)
def test_an_option_that_is_a_secret_is_refused(tmp_path, options: list[str]) -> None:
    text = params_with("label_model.options.a.b", SECRET)[0].replace("- --x=1", f"- {json.dumps(options)[1:-1]}")
    text = text.replace('", "', '"\n  - "')
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"beam\.options"):
        load_params(tmp_path)
    with pytest.raises(UsageError) as caught:
        refuse_credentials(["apply", *options])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", URLS)
def test_no_other_way_in_takes_it(tmp_path, url: str) -> None:
    for enter in (Store, find):
        with pytest.raises((ConfigError, LabelingFunctionError)) as caught:
            enter(url)
        assert SECRET not in str(caught.value)
    for words in (["feedback", "import", url], ["ingest", "--project", url], ["ingest", f"--temp_location={url}"]):
        with pytest.raises(UsageError, match="it holds") as caught:
            refuse_credentials(words)
        assert SECRET not in str(caught.value)
    refuse_credentials(["promote", "--reason", f"see {url}"])  # words of a person, who may write what he likes


@pytest.mark.parametrize("command", [["beambell", "apply"], ["beam_jobs.ingest"]])
def test_nothing_that_a_command_prints_has_it(tmp_path, command: list[str]) -> None:
    (tmp_path / "params.yaml").write_text(params_with("streams.mails.inputs.0", URLS[0])[0])
    for more in ([], [f"--temp_location={URLS[0]}"], ["--stream", URLS[2]]):
        done = subprocess.run(
            [sys.executable, "-m", *command, "--project", str(tmp_path), "--json", *more],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert "holds a password" in json.loads(done.stdout)["error"]
