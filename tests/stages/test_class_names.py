"""Classes called as people call them, the whole way: labels, gate, model, gold, feedback, and all that is shown."""

from __future__ import annotations

import csv
import json
import unicodedata
from contextlib import suppress

import pytest
from projects import change_params, run_stages

from beambell import Project
from beambell.cli import main
from beambell.store import Layout
from beambell.workshop.starter import start

CLASSES = ["Beschwerde über Lieferung", "n/a", "C++ a.b/c \\d", "👩‍👩‍👧 [red]=, ${x}"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes") / "p"
    start(folder)
    (folder / "lfs.yaml").write_text(
        "\n".join(
            f"- {{kind: length, name: len{k}, {bound}, label: {json.dumps(name, ensure_ascii=False)}}}"
            for k, (name, bound) in enumerate(zip(CLASSES, ("max: 15", "min: 16", "min: 18", "min: 20"), strict=True))
        )
    )
    change_params(
        folder,
        classes=CLASSES,
        lfs={"modules": [], "files": ["lfs.yaml"]},
        evaluation={"gold": ["gold.csv"]},
        promotion={"min_rows": 1},
    )
    run_stages(folder, "ingest", "aggregate", "apply")
    ids = Project(folder).rows("mails", "2026-01-01")["id"].tolist()
    spelled = [unicodedata.normalize("NFD", CLASSES[k % len(CLASSES)]) for k in range(len(ids))]
    with (folder / "gold.csv").open("w", newline="") as file:
        rows = [("mails", row_id, name) for row_id, name in zip(ids, spelled, strict=True)]
        csv.writer(file).writerows([("stream", "id", "label"), *rows])
    answers = [{"stream": "mails", "row_id": i, "label": n, "reviewer": "ann", "time": "2026-01-09T00:00:00Z"}
               for i, n in zip(ids[:4], CLASSES, strict=True)]  # fmt: skip
    (folder / "said.jsonl").write_text("\n".join(map(json.dumps, answers)))
    with suppress(SystemExit):
        main(["feedback", "import", str(folder / "said.jsonl"), "--project", str(folder)])
    run_stages(folder)
    return folder


def test_every_artefact_has_them(project):
    opened = Project(project)
    labels = opened.labels("mails", "2026-01-01")
    assert [c for c in labels.columns if c.startswith("p_")] == [f"p_{name}" for name in CLASSES]
    assert set(opened.feedback()["label"].dropna()) <= set(range(len(CLASSES))) | set(CLASSES)
    metrics = opened.store.read(Layout.EVALUATION).facts["metrics"]
    assert set(metrics["labels"]["classes"]) == set(CLASSES)
    assert metrics["labels"]["rows"] > 0
    verdicts = opened.store.partitions(Layout.VERDICTS).values()
    assert all(verdict.facts["passed"] for verdict in verdicts)
    assert all(path.name.isascii() for path in (project / "data").rglob("*"))


LOOKS = ["status", "summary", "verify --deep", "lf list", "lf show len3", "lf stats", "lf test len3", "lf diff",
         "lm compare", "models list", "models show", "state show", "feedback status", "feedback queue",
         "lineage mails/2026-01-01"]  # fmt: skip


@pytest.mark.parametrize("words", LOOKS)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_every_command_shows_them(project, capsys, words, as_json):
    code = 0
    try:
        main([*words.split(), *(["--json"] if as_json else []), "--project", str(project)])
    except SystemExit as stop:
        code = stop.code or 0
    out, err = capsys.readouterr()
    assert code == 0, err
    if words in {"lf list", "lf stats", "lf test len3", "lf show len3"}:
        assert (json.dumps(CLASSES[3], ensure_ascii=False)[1:-1] if as_json else CLASSES[3]) in out


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_reviewers_get_them_and_their_answers_come_back(project, tmp_path, form, capsys):
    out = tmp_path / f"queue.{form}"
    words = ["feedback", "export", "--out", str(out), "--again", "--size", "5", "--project", str(project)]
    with suppress(SystemExit):
        main(words)
    assert out.exists(), capsys.readouterr().err
