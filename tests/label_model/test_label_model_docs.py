"""The guide to label models: its examples run, and its words are those of the code."""

from __future__ import annotations

import importlib
import re
from copy import copy

import numpy as np
import pytest
import yaml
from projects import REPOSITORY

from beambell import label_model
from beambell.label_model import registry

GUIDE = (REPOSITORY / "docs" / "label-models.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_KINDS", copy(registry._KINDS))
    (tmp_path / "label_model_guide.py").write_text("\n".join(blocks("python")))
    monkeypatch.syspath_prepend(tmp_path)
    names = vars(importlib.import_module("label_model_guide"))
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"link", "friend"}
    np.testing.assert_array_equal(names["again"].predict_proba(names["L"]), names["model"].predict_proba(names["L"]))
    assert "soft_majority" in label_model.kinds()
    own = label_model.create("soft_majority", smoothing=0.5).fit(names["counts"], names["feedback"])
    again = label_model.restore("soft_majority", own.config(), own.params())
    np.testing.assert_array_equal(again.predict_proba(names["L"]), own.predict_proba(names["L"]))


def test_every_kind_is_described():
    (params,) = blocks("yaml")
    assert yaml.safe_load(params)["label_model"]["kind"] in label_model.kinds()
    assert set(re.findall(r"^\| `(\w+)` \| [a-z]", GUIDE, re.MULTILINE)) == set(label_model.kinds())


@pytest.mark.parametrize("message", ["it is not fitted yet", "does not add up log-odds", "needs at least 3 labeling"])
def test_messages_are_those_of_the_code(message):
    code = "".join(path.read_text() for path in (REPOSITORY / "beambell" / "label_model").glob("*.py"))
    assert message in GUIDE
    assert re.search(message.replace("3", r"(3|\{MIN_LFS\})"), code)
