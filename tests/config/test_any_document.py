"""Whatever params.yaml holds: it is parameters, or an error that names the file and what is wrong, and nothing else."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from beambell.config import Params, load_params
from beambell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TREE: dict[str, Any] = {
    "project": "tiny",
    "data": "data",
    "lock": "shared",
    "classes": ["ham", "spam"],
    "lfs": {"modules": ["mine"], "files": ["lfs.yaml"], "time_limit_s": 3, "shadow": []},
    "streams": {
        "mails": {
            "inputs": ["raw/{dt}.csv"],
            "grain": "day",
            "first": "2026-01-01",
            "id": "id",
            "text": "body",
            "time": "at",
            "fields": {"a": "int"},
            "undated": "quarantine",
            "encoding": "utf-8",
            "csv": {"delimiter": ",", "quote": '"', "escape": "none", "null": ["-"]},
        }
    },
    "state": {"policy": "all", "max_patterns": 5},
    "feedback": {"inputs": ["f.csv"], "consensus": "majority", "evaluate": 0.2, "queue": {"size": 5, "entropy": 0.5}},
    "label_model": {"kind": "dawid_skene", "options": {"a": 1}},
    "labels": {"relabel_days": 3},
    "gate": {"max_quarantined": 0.1, "min_coverage": 0.2},
    "model": {
        "name": "m",
        "streams": ["mails"],
        "window_days": 3,
        "features": 1024,
        "ngrams": [1, 2],
        "C": 1.0,
        "seed": 1,
    },
    "evaluation": {"gold": ["gold.csv"], "holdout": 0.2, "bins": 5},
    "promotion": {"mode": "policy", "stage": "prod", "metric": "accuracy", "min_gain": 0.1, "floor": 0.5},
    "schedule": {"day": "0 2 * * *", "retrain": "labels", "wait_minutes": 3, "approval_hours": 1.5},
    "beam": {"runner": "FnApiRunner", "options": ["--a=1"], "workers": 1},
    "demo": {"scale": 0.1, "days": 3},
}


def places(node: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(node, dict):
        return [prefix, *(place for key, value in node.items() for place in places(value, (*prefix, key)))]
    if isinstance(node, list):
        return [prefix, *(place for key, value in enumerate(node) for place in places(value, (*prefix, key)))]
    return [prefix]


texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "-1",
            "nan",
            ".inf",
            "null",
            "{dt}",
            "**",
            "s3://x",
            "a://b",
            "{",
            "[x]",
            "2026-13-01",
            "\u202e",
            "é" * 300,
        ]
    ),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(max_size=8), st.dates(), st.datetimes(),
    st.sampled_from([10**400, -1, 0, float("nan"), float("inf"), 10**18]),
)  # fmt: skip
keys = st.one_of(
    texts, st.integers(), st.booleans(), st.none(), st.dates(), st.sampled_from(sorted(Params.model_fields))
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


def check(folder: Path, text: str) -> None:
    (folder / "params.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    result = read(folder)
    if isinstance(result, Params):
        json.dumps(result.model_dump(mode="json"), allow_nan=False)  # digests are made of it
        return
    assert "params.yaml" in str(result.where)
    assert "Traceback" not in str(result)
    assert "pydantic" not in str(result)
    json.dumps(result.to_dict(), ensure_ascii=False).encode()  # it can be printed


def read(folder: Path) -> Params | ConfigError:
    try:
        return load_params(folder)
    except ConfigError as error:
        return error


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


quietly = settings(suppress_health_check=list(HealthCheck), deadline=None)


@given(text=st.text())
@example(text="\ufeffproject: x")
@example(text='a: "\\ud800"')
@example(text="a: !!python/object:os.system x")
@example(text="%YAML 9.9\n---\na: 1")
@example(text="--- a\n--- b")
@quietly
def test_any_text(folder: Path, text: str) -> None:
    check(folder, text)


@given(tree=trees)
@quietly
def test_any_document(folder: Path, tree: Any) -> None:
    check(folder, yaml.safe_dump(tree, allow_unicode=True))


@given(place=st.sampled_from(places(TREE)[1:]), value=trees)
@example(place=("label_model", "options"), value={"a": b"x"})
@example(place=("label_model", "options"), value={"a": [{"b": [float("nan")]}]})
@example(place=("label_model", "options"), value={"a": {1: 2}})
@example(place=("label_model", "options"), value={"a": date(2026, 1, 1)})
@example(place=("lfs", "time_limit_s"), value=float("inf"))
@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
def test_any_value_anywhere(folder: Path, place: tuple[Any, ...], value: Any) -> None:
    tree = copy.deepcopy(TREE)
    node = tree
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    check(folder, yaml.safe_dump(tree, allow_unicode=True))


@given(
    place=st.sampled_from([place for place in places(TREE) if not isinstance(place[-1:], int)]), key=keys, value=trees
)
@quietly
def test_any_key_anywhere(folder: Path, place: tuple[Any, ...], key: Any, value: Any) -> None:
    tree = copy.deepcopy(TREE)
    node: Any = tree
    for part in place:
        node = node[part]
    if isinstance(node, dict):
        node[key] = value
    check(folder, yaml.safe_dump(tree, allow_unicode=True))
