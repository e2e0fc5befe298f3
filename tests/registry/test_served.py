"""A served model takes rows in whatever form they are at hand, and says the same of them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import yaml
from projects import run_stages

from beambell import Project
from beambell.errors import UsageError


@pytest.fixture(scope="module")
def model(finished, tmp_path_factory):
    """A model of text and fields."""
    folder = shutil.copytree(finished.path, tmp_path_factory.mktemp("served") / "p")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["model"] = {"name": "spam", "kind": "rows_logistic", "options": {"fields": ["likes", "author"]}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run_stages(folder, "train", "evaluate", "register")
    return Project(folder).model("newest")


def test_forms_of_rows(model, finished):
    frame = finished.rows("comments", "2026-01-02")
    expected = model.predict_proba(frame)
    assert expected.shape == (len(frame), 2)
    arrow = finished.rows("comments", "2026-01-02", form="arrow")
    for rows in (arrow, frame.to_dict("list"), frame.to_dict("records"), frame[["text", "likes", "author"]]):
        np.testing.assert_array_equal(model.predict_proba(rows), expected)
    assert model.predict(frame)[:5] == [model.classes[k] for k in expected[:5].argmax(axis=1)]
    assert model.fields == ("likes", "author")


def test_texts_alone_and_no_rows(model):
    assert model.predict_proba(["win a prize", None]).shape == (2, 2)
    assert model.predict_proba([]).shape == (0, 2)


@pytest.mark.parametrize(("rows", "said"), [("one text", "one text"), ({"body": ["x"]}, "no column 'text'")])
def test_what_cannot_be_meant_is_refused(model, rows, said):
    with pytest.raises(UsageError, match=said):
        model.predict_proba(rows)
