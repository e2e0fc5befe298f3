"""Names, globs and URLs of ``params.yaml``: what cannot be meant is refused with line and key, and without network."""

from __future__ import annotations

import re

import pytest
import yaml

from beambell.config import load_params
from beambell.errors import ConfigError

TREE = {
    "project": "tiny",
    "data": "data",
    "classes": ["ham", "spam"],
    "lfs": {"modules": ["mine"], "files": ["lfs.yaml"], "shadow": ["x"]},
    "streams": {
        "mails": {"inputs": ["raw/{dt}.csv"], "id": "id", "text": "body", "time": "at", "fields": {"a": "int"}}
    },
    "feedback": {"inputs": ["feedback.csv"]},
    "evaluation": {"gold": ["gold.csv"]},
    "beam": {"runner": "FnApiRunner", "options": ["--x=1"]},
    "label_model": {"kind": "majority"},
    "model": {"name": "model", "streams": ["mails"]},
    "promotion": {"stage": "prod"},
    "schedule": {"day": "0 2 * * *", "hour": "5 * * * *", "month": "0 3 1 * *", "retrain": "0 5 * * *"},
}
NAMES = [
    *("project", "data", "classes.1", "lfs.modules.0", "lfs.files.0", "lfs.shadow.0", "feedback.inputs.0"),
    *("streams.mails.inputs.0", "streams.mails.id", "streams.mails.text", "streams.mails.time"),
    *("streams.mails.undated", "streams.mails.encoding", "evaluation.gold.0", "beam.runner", "beam.options.0"),
    *("label_model.kind", "model.name", "promotion.stage", "schedule.day", "schedule.retrain"),
]
PLACES = ["data", "streams.mails.inputs.0", "feedback.inputs.0", "evaluation.gold.0"]
GLOBS = PLACES[1:]


def with_value(place: str, value: object) -> tuple[str, int]:
    """Text of parameters with a value at a place, and its line."""
    tree = yaml.safe_load(yaml.safe_dump(TREE))
    node = tree
    *parts, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    for part in parts:
        node = node[part]
    node[last] = "@@"
    text = yaml.safe_dump(tree, width=1000, sort_keys=False)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "@@" in line)
    return re.sub("'@@'", lambda _: yaml.safe_dump(value, width=1000, default_style='"').strip(), text), line


def refusal(folder, place: str, value: object) -> str:
    text, line = with_value(place, value)
    (folder / "params.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_params(folder)
    message = str(caught.value)
    assert f"params.yaml:{line}: {place} (line {line}): " in message
    return message


def test_the_tree_itself_is_right(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(TREE))
    assert load_params(tmp_path).project == "tiny"


@pytest.mark.parametrize("place", NAMES)
@pytest.mark.parametrize("value", ["", " ", "\t \n", "\u3000"])
def test_what_says_nothing_is_refused(tmp_path, place, value):
    refusal(tmp_path, place, value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("foo://bucket/x", "there is no kind of place foo://"),
        ("s4://bucket/x", "there is no kind of place s4://"),
        ("htps://host/x", "did you mean https://?"),
        ("simplecache::foo://bucket/x", "there is no kind of place foo://"),
        ("s3:/bucket/x", "a URL has two slashes: s3://"),
        ("gs://bucket/x", "gs:// needs a package that is not installed (Please install gcsfs"),
        ("abfs://box@account.dfs.core.windows.net/x", "needs a package that is not installed"),
    ],
)
def test_a_url_that_nothing_reaches_is_refused(tmp_path, place, url, words):
    assert words in refusal(tmp_path, place, url)


@pytest.mark.parametrize("place", GLOBS)
@pytest.mark.parametrize(
    "pattern", ["raw/**.csv", "raw/x**/y.csv", "/", ".", "a\0b", "a\x1b[31mb", "raw/**x", "é" * 200]
)
def test_a_pattern_that_is_none_is_refused(tmp_path, place, pattern):
    assert "\x1b" not in refusal(tmp_path, place, pattern)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "url",
    [
        *(
            "s3://bucket/x",
            "https://host/x.csv",
            "memory://x",
            "file:///x/y",
            "simplecache::s3://bucket/x",
            "zip://x::s3://b/x",
        ),
        *("/abs/x.csv", "a:b/c.csv", "some folder/é x.csv", "raw/2026-*/[a-c]?.csv"),
    ],
)
def test_what_may_be_meant_is_left_to_be_found(tmp_path, place, url):
    (tmp_path / "params.yaml").write_text(with_value(place, url)[0])
    if place != "data" or not url.startswith("file:"):
        load_params(tmp_path)


@pytest.mark.parametrize("place", ["schedule.day", "schedule.hour", "schedule.retrain"])
@pytest.mark.parametrize("cron", ["60 2 * * *", "daily", "0 2 * *", "0 2 * * * *", "0 0 31 2 *", "* * * * mox"])
def test_a_cron_that_is_none_is_refused(tmp_path, place, cron):
    assert "five" in (message := refusal(tmp_path, place, cron)) or "is no cron expression that fires" in message
