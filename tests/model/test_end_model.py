"""Kinds of end models by name: one class in a module of the project, and every stage uses it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from projects import change_params, small_project, tree_bytes

from beambell import Project
from beambell.config.models import ModelParams
from beambell.errors import ArtefactError, TrainingError
from beambell.model import EndModel, TfidfLogistic, kinds, register, train
from beambell.registry.served import load_model

OWN = """
import json
from dataclasses import dataclass

import numpy as np

from beambell.model import EndModel, register
from beambell.model.features import as_list


@register
@dataclass(frozen=True)
class Loudness(EndModel):
    '''Whether a text has many capitals.'''

    classes: tuple
    share: tuple
    threshold: float

    kind, FORMAT = "loudness", "loudness/1"

    @classmethod
    def fit(cls, texts, proba, *, classes, seed, threshold=0.3):
        return cls(classes, tuple(proba.mean(axis=0).round(6).tolist()), threshold)

    def predict_proba(self, texts):
        texts = [text or "x" for text in as_list(texts)]
        loud = np.array([sum(map(str.isupper, text)) > self.threshold * len(text) for text in texts])
        return np.where(loud[:, None], np.array(self.share)[None, ::-1], np.array(self.share)[None])

    def to_files(self):
        said = {"format": self.FORMAT, "classes": self.classes, "share": self.share, "threshold": self.threshold}
        return {"model.json": json.dumps(said, sort_keys=True).encode()}

    @classmethod
    def restore(cls, files):
        said = json.loads(files["model.json"])
        return cls(tuple(said["classes"]), tuple(said["share"]), said["threshold"])
"""


OURS = {"name": "spam", "kind": "loudness"}


def beambell(folder, *words):
    """Run a command in a process of its own, which has not seen the module."""
    command = [sys.executable, "-m", "beambell", *words, "--project", str(folder), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def test_a_kind_of_ones_own_goes_the_whole_way(tmp_path):
    folder = small_project(tmp_path, days=2, scale=0.03, model=OURS | {"options": {"threshold": 0.5}})
    (folder / "labeling_functions" / "models.py").write_text(OWN)
    change_params(folder, lfs={"modules": ["labeling_functions.spam", "labeling_functions.models"]})
    beambell(folder, "run")
    (version,) = beambell(folder, "models", "list")
    assert version["metrics"]["end_model"]["rows"] > 0
    assert beambell(folder, "verify", "--deep")["findings"] == []
    beambell(folder, "lineage", version["name"])
    model = load_model(Project(folder), "models/registry/spam/v0001")
    assert type(model).__name__ == "Loudness"
    assert model.threshold == 0.5
    before = tree_bytes(folder / "data")
    beambell(folder, "run")
    assert tree_bytes(folder / "data") == before
    change_params(folder, model=OURS | {"options": {"threshold": 0.1}})
    assert beambell(folder, "train")["done"] == 1


def test_another_class_may_not_take_a_name():
    with pytest.raises(TrainingError, match="there is another end model 'tfidf_logistic'"):

        @register
        class Other(TfidfLogistic):
            pass


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"kind": "forest"}, "there is no end model 'forest'"),
        ({"trees": 3}, "there is no option 'trees'"),
        ({"kind": "tfidf_logistic", "texts_": 3}, "there is no option 'texts_'"),
    ],
)
def test_a_kind_or_an_option_that_there_is_not(how, said):
    with pytest.raises(TrainingError, match=said) as raised:
        train(["a", "b"], np.eye(2), covered=np.ones(2, bool), classes=["x", "y"], seed=1, **how)
    assert raised.value.fix


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"format": 3}', b'{"format": "forest/1"}', b"[" * 9999]
)
def test_a_description_of_no_known_kind_is_refused(content):
    with pytest.raises(ArtefactError):
        EndModel.from_files({"model.json": content, "weights.npz": b""})


def test_what_params_did_not_say_once_is_not_said_while_it_is_the_default():
    assert "kind" not in ModelParams().to_dict()
    assert ModelParams(options={"drop_below": 0.2}).to_dict()["options"] == {"drop_below": 0.2}
    assert ModelParams(kind="mine").to_dict()["kind"] == "mine"
    assert "tfidf_logistic" in kinds()
