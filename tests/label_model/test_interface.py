from __future__ import annotations

import json
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from beambell import label_model
from beambell.errors import LabelModelError
from beambell.label_model import MajorityVote, SnorkelLabelModel
from beambell.label_model import registry as known
from beambell.state import PatternCounts

L = np.random.default_rng(0).integers(-1, 2, (50, 4)).astype(np.int8)
COUNTS = PatternCounts.from_votes(L, 2, ["links", "caps", "short", "money"])
MODELS = [("majority", {}), ("snorkel", {"n_epochs": 5, "class_balance": [0.25, 0.75]})]


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_restored_it_predicts_the_same(kind: str, options: dict[str, Any]) -> None:
    model = label_model.create(kind, **options).fit(COUNTS)
    config = json.loads(json.dumps(model.config()))
    again = label_model.restore(kind, config, model.params())
    assert type(again) is type(model)
    assert again.options() == model.options()
    assert again.config() == config
    np.testing.assert_array_equal(again.predict_proba(L), model.predict_proba(L))


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_a_posterior_does_not_depend_on_its_company(kind: str, options: dict[str, Any]) -> None:
    model = label_model.create(kind, **options).fit(COUNTS)
    together = model.posterior(COUNTS.patterns)
    alone = np.concatenate([model.posterior(pattern[None]) for pattern in COUNTS.patterns])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(together.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict_proba(COUNTS.patterns[::-1]), together[::-1])


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_votes_of_other_labeling_functions(kind: str, options: dict[str, Any]) -> None:
    model = label_model.create(kind, **options)
    with pytest.raises(LabelModelError, match="not fitted yet"):
        model.predict_proba(L)
    model.fit(COUNTS)
    with pytest.raises(LabelModelError, match="3 columns of votes for 4"):
        model.predict_proba(L[:, :3])
    with pytest.raises(LabelModelError, match="caps: 2 is not a vote"):
        model.posterior(np.array([[0, 2, 0, 0]], np.int8))
    with pytest.raises(LabelModelError, match="tie_break"):
        model.predict(L, tie_break="random")  # type: ignore[arg-type]
    with pytest.raises(LabelModelError, match="fewer than no rows"):
        model.fit(-COUNTS)


def test_kinds_and_options_are_listed() -> None:
    assert set(label_model.kinds()) >= {"majority", "snorkel"}
    with pytest.raises(LabelModelError, match="use one of dawid_skene, majority, snorkel, weighted"):
        label_model.create("dawid")
    with pytest.raises(LabelModelError, match=r"'epochs'\n.*n_epochs, seed, lr"):
        label_model.create("snorkel", epochs=3)
    with pytest.raises(LabelModelError, match="impossible value"):
        label_model.create("snorkel", class_balance=["a"])
    with pytest.raises(LabelModelError, match="there is no label model"):
        label_model.restore("dawid", {}, {})


def damaged(config: dict[str, Any], params: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [
        ({}, params),
        (config | {"options": {"epochs": 1}}, params),
        (config | {"lfs": ["a", "b", "c"]}, params),
        (config, {}),
        (config, params | {"mu": params["mu"][:3]}),
        (config, params | {"class_balance": np.full(2, np.nan)}),
    ]


def test_damaged_parameters_are_found_at_once() -> None:
    model = SnorkelLabelModel(n_epochs=1).fit(COUNTS)
    for config, params in damaged(model.config(), model.params()):
        with pytest.raises(LabelModelError):
            label_model.restore("snorkel", config, params)


def test_register_one_of_your_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_KINDS", copy(known._KINDS))

    @label_model.register
    @dataclass(eq=False)
    class Mine(MajorityVote):
        kind = "mine"

    assert type(label_model.create("mine")) is Mine
    with pytest.raises(LabelModelError, match="there is another label model"):
        label_model.register(type("Other", (MajorityVote,), {"kind": "mine"}))
