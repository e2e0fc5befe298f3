"""An exported model predicts the same without BeamBell, and so does what the registry and DVC deliver."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from handed_on import ODD
from projects import run_stages, tree_bytes

from beambell import Project
from beambell.errors import RegistryError, UsageError
from beambell.exports.models import export_model
from beambell.model import load

KINDS = {
    "tfidf_logistic": {},
    "rows_logistic": {"fields": ["attachments", "sender"]},
    "boosting": {"fields": ["attachments", "sender"], "trees": 5, "min_rows": 2},
    "estimator": {"estimator": "sklearn.linear_model.LogisticRegression", "fields": ["attachments"]},
}
ROWS = [{"text": text, "attachments": i, "sender": "ann@mail.example"} for i, text in enumerate([*ODD, None, ""])]
ALONE = """
import json, sys
sys.modules["beambell"] = None  # as if it were not installed
sys.path.insert(0, sys.argv[1])
from load_model import load
model = load(sys.argv[1])
json.dump({"classes": model.classes, "proba": model.predict_proba(json.load(sys.stdin)).tolist()}, sys.stdout)
"""


def trained(folder, kind):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["model"] = {"name": "complaints", "kind": kind, "options": KINDS[kind]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run_stages(folder, "train", "evaluate", "register")
    return Project(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_it_predicts_the_same_without_beambell(project, tmp_path, kind):
    if kind == "estimator":
        pytest.importorskip("skops")
    project = trained(project.path, kind)
    made = export_model(project, "newest", str(tmp_path / "größe m"))
    assert made.runs_alone
    expected = project.model("newest").predict_proba(ROWS)
    command = [sys.executable, "-c", ALONE, made.out]
    done = subprocess.run(
        command,
        input=json.dumps(ROWS),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ""},
        cwd=tmp_path,
    )
    said = json.loads(done.stdout)
    assert said["classes"] == ["other", "complaint"]
    np.testing.assert_array_equal(np.array(said["proba"]), expected)
    for folder in (f"models/registry/complaints/{project.model('newest').version.folder[-5:]}", "models/candidate"):
        np.testing.assert_array_equal(load(project.path / "data" / folder).predict_proba(ROWS), expected)


def test_again_it_has_the_same_bytes_and_what_was_changed_is_not_lost(project, tmp_path):
    out = tmp_path / "m"
    export_model(project, "v1", str(out))
    before = tree_bytes(out)
    export_model(project, "v1", str(out))
    assert tree_bytes(out) == before
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="would be lost"):
        export_model(project, "v1", str(out))
    export_model(project, "v1", str(out), replace=True)
    assert tree_bytes(out) == before
    with pytest.raises(UsageError, match="is in it"):
        export_model(project, "v1", str(project.path), replace=True)
    with pytest.raises(RegistryError, match="no version 9"):
        export_model(project, "v9", str(tmp_path / "n"))


@pytest.mark.parametrize("damage", ["weights", "description", "gone"])
def test_damage_is_said(project, tmp_path, damage):
    out = tmp_path / "m"
    export_model(project, "v1", str(out))
    if damage == "weights":
        (out / "weights.npz").write_bytes((out / "weights.npz").read_bytes()[:-9])
    elif damage == "description":
        (out / "model.json").write_text('{"format": "other/1"}')
    else:
        (out / "model.json").unlink()
    with pytest.raises(ValueError, match=r"damaged|known here|no model\.json"):
        load(out)


def test_what_dvc_delivers_is_loaded_the_same_way(project, tmp_path):
    """``dvc artifacts get`` copies the folder that dvc.yaml names: that of the model that was trained last."""
    delivered = shutil.copytree(project.path / "data/models/candidate", tmp_path / "delivered")
    np.testing.assert_array_equal(
        load(delivered).predict_proba(ROWS), project.model("newest").predict_proba([{"text": r["text"]} for r in ROWS])
    )
