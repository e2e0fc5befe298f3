"""`beambell feedback import`: what became of every record is told, and the exit code says whether any was an answer."""

from __future__ import annotations

import json
import re
import zipfile
from typing import Any

import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from projects import run_stages

from beambell import Project
from beambell.cli import main

PARAMS = """
project: p
classes: [ham, spam, news]
streams: {s: {inputs: ["in/*.csv"], id: id, time: ts}}
lfs: {files: [lfs.yaml]}
feedback: {inputs: ["reviews/*"]}
"""
LFS = "- {kind: keyword, name: win, any_of: [win], label: spam}\n"
COUNTED = re.compile(r"(\d+) records: (\d+) answers taken in, (\d+) skipped, (\d+) not understood(, because .+)?")
SAID = {"stream": "s", "reviewer": "ada", "time": "2026-01-05"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("import")
    (folder / "in").mkdir()
    (folder / "reviews").mkdir()
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "lfs.yaml").write_text(LFS)
    (folder / "in" / "a.csv").write_text("id,text,ts\n" + "".join(f"r{i},win {i},2026-01-03\n" for i in range(9)))
    run_stages(folder, "ingest", "apply", "merge")
    return folder


class Done:
    """What a command said."""

    def __init__(self, capsys: Any, *words: str) -> None:
        try:
            main(list(words))
            self.code = 0
        except SystemExit as end:
            self.code = int(end.code or 0)
        said = capsys.readouterr()
        self.out, self.err = said.out, said.err

    @property
    def counts(self) -> list[int]:
        """Records, answers, skipped and not understood of the first file."""
        found = COUNTED.search(self.out)
        assert found, self.out + self.err
        return [int(n) for n in found.groups()[:4]]


def bring(project, capsys, name: str, content: Any, *options: str) -> Done:
    path = project / name
    text = content if isinstance(content, str) else "".join(json.dumps(SAID | one) + "\n" for one in content)
    path.write_text(text)
    return Done(capsys, "feedback", "import", str(path), "--project", str(project), *options)


MIXED = [
    {"row_id": "r1", "label": "spam"},
    {"row_id": "r2", "label": "spam", "answer": "reject"},
    {"row_id": "r3", "label": "spam", "was_cancelled": True},
    {"row_id": "r4", "label": "egg"},
    {"row_id": "r5", "label": "ham", "status": "odd"},
    {"row_id": "r6", "label": "ham", "time": "2612-01-01"},
    {"row_id": "nobody", "label": "ham"},
]


def test_every_record_is_told_with_the_values_found(project, capsys):
    done = bring(project, capsys, "mixed.jsonl", MIXED)
    assert (done.code, done.counts) == (0, [7, 3, 1, 3])
    for part in ("because", "line 4", "'egg'", "ham, spam, news", "line 5", "odd", "line 6", "2612", "s/nobody"):
        assert part in done.out
    again = bring(project, capsys, "mixed.jsonl", MIXED)
    assert (again.code, again.counts) == (0, [7, 3, 1, 3])
    assert "taken in before" in again.out
    more = bring(project, capsys, "grown.jsonl", [*MIXED, {"row_id": "r7", "label": "ham"}])
    assert more.counts == [8, 4, 1, 3]
    assert "4 of these answers were there already" in more.out  # the skipped row's word among them
    (one,) = json.loads(bring(project, capsys, "mixed.jsonl", MIXED, "--json").out)
    assert [one[name] for name in ("records", "answers", "skipped", "not_understood")] == again.counts
    assert (one["new"], one["unknown"], one["unknown_rows"]) == (False, 1, ["s/nobody"])
    assert {why["code"]: why["records"] for why in one["not_understood_because"]} == {
        "unknown_class": 1, "bad_value": 1, "from_the_future": 1,
    }  # fmt: skip
    events = {row["row_id"]: row["verdict"] for row in _events(project)}
    assert (events["r1"], events["r2"], events["r3"]) == ("label", "not_label", "unsure")
    assert not {"r4", "r5", "r6"} & set(events)


def _events(folder) -> list[dict[str, Any]]:
    from beambell.feedback.batches import read_batches, read_events

    store = Project(folder).store
    return read_events(store, read_batches(store)).to_pylist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.json", "[]"),
        ("nothing.csv", ""),
        ("heads.csv", "row_id,label,reviewer,time\n"),
        ("unknown.jsonl", [{"row_id": "r1", "label": "egg"}]),
        ("skipped.jsonl", [{"row_id": "r1", "label": "spam", "skipped": True}]),
        ("asked.jsonl", [{"row_id": "r1", "picked_by": "random", "probability": 0.5}]),
        ("half.json", '[{"row_id": "r1", "label": '),
        ("not.json", "no json at all"),
        ("book.xlsx", "PK\x03\x04"),
    ],
)
def test_a_file_without_an_answer_fails(project, capsys, name, content):
    for _ in range(2):
        done = bring(project, capsys, name, content)
        assert done.code == 1
        assert "Traceback" not in done.out + done.err
        assert not COUNTED.search(done.out) or done.counts[1] == 0


def test_one_bad_file_does_not_keep_the_others_out(project, capsys, tmp_path):
    good = json.dumps(SAID | {"row_id": "r8", "label": "ham"})
    for name, text in (
        ("27", good),
        ("28.bin", "PK"),
        ("29.json", "[{"),
        (".hidden", good),
        ("a/30.json", f"[{good}]"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = Done(capsys, "feedback", "import", str(tmp_path), "--project", str(project))
    assert done.code == 1  # two of them gave nothing, and should have
    assert "4 files, 2 records: 2 answers taken in" in done.out
    (tmp_path / "28.bin").unlink()
    (tmp_path / "29.json").unlink()
    assert Done(capsys, "feedback", "import", str(tmp_path), "--project", str(project)).code == 0
    (tmp_path / "none").mkdir()
    assert Done(capsys, "feedback", "import", str(tmp_path / "none"), "--project", str(project)).code == 1


def test_their_words_and_places(project, capsys):
    rows = "mail;kind\nr7;Junk\nr8;2\nr0;Junk\n"
    said = ("--reviewer", "eve", "--time", "2026-01-05", "--id-field", "mail", "--label-field", "kind")
    done = bring(project, capsys, "theirs.csv", rows, *said)
    assert (done.code, done.counts) == (1, [3, 0, 0, 3])
    assert "--map" in done.out
    done = bring(project, capsys, "theirs.csv", rows, *said, "--map", "spam=Junk", "--map", "ham=2")
    assert (done.code, done.counts) == (0, [3, 3, 0, 0])
    assert [e["label"] for e in _events(project) if e["reviewer"] == "eve"] == ["spam", "ham", "spam"]
    for junk in ("news", "spam", "news"):
        done = bring(project, capsys, "theirs.csv", rows, *said, "--map", f"{junk}=Junk", "--map", "ham=2")
        assert done.counts == [3, 3, 0, 0]
        assert [e["label"] for e in _events(project) if e["reviewer"] == "eve"] == [junk, "ham", junk]
        assert ("3 answers that were taken in from the same file" in done.out) is True
    assert bring(project, capsys, "theirs.csv", rows, *said, "--stream", "s").code == 1
    assert len([e for e in _events(project) if e["reviewer"] == "eve"]) == 3  # asked for in another way
    done = bring(project, capsys, "theirs.csv", rows, *said, "--map", "egg=Junk")
    assert done.code == 2
    assert "ham, spam, news" in done.err
    done = bring(project, capsys, "slash.csv", "row_id/label/reviewer/time\nr1/ham/eve/20260105\n", "--delimiter", "/")
    assert done.counts == [1, 1, 0, 0]


def test_files_of_inputs_say_the_same_and_lose_nothing(project, capsys):
    lines = [json.dumps(SAID | one) for one in MIXED]
    (project / "reviews" / "a.jsonl").write_text("\n".join([*lines, "{broken"]))
    (project / "reviews" / "b.notes").write_text("not a format")
    done = Done(capsys, "feedback", "sync", "--project", str(project))
    assert done.code == 0
    assert "a.jsonl: 8 records: 3 answers taken in, 1 skipped, 4 not understood, because" in done.err
    assert "'egg' is none of the classes" in done.err
    assert "b.notes" in done.err
    status = Done(capsys, "feedback", "status", "--project", str(project))
    assert "1 not of a class" in status.out
    assert "set aside: " in status.out


def test_a_zip_has_a_file_for_each_user(project, capsys, tmp_path):
    new = [{"id": i, "row_id": f"r{i}", "label": [name]} for i, name in enumerate(["ham", "spam", "egg"])]
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("zoe.jsonl", "yan.jsonl", "all.jsonl", "notes.docx"):
            archive.writestr(name, "".join(json.dumps(one) + "\n" for one in new))
        archive.writestr("readme.pdf", "not answers")
    done = Done(capsys, "feedback", "import", str(path), "--time", "2026-01-06", "--project", str(project))
    assert (done.code, done.counts) == (0, [12, 6, 0, 6])  # all.jsonl does not say who, and has nobody's answers
    assert "zoe.jsonl: the label 'egg'" in done.out
    assert "readme.pdf: unknown format" in done.out
    assert {"zoe", "yan", "notes"} <= {event["reviewer"] for event in _events(project)}
    (tmp_path / "broken.zip").write_bytes(path.read_bytes()[:-300])
    done = Done(capsys, "feedback", "import", str(tmp_path / "broken.zip"), "--project", str(project))
    assert done.code == 1
    assert "ZIP" in done.err


def test_a_glob_of_answers_that_fits_no_file_is_said(project, capsys):
    params = (project / "params.yaml").read_text()
    (project / "reviews" / "other.csv").write_text("row_id,label,time\na,spam,2026-01-06\n")
    for pattern, said in (("reviews/*.jsn", "others lie there"), ("rewievs/*", "(yet)"), ("reviews/*", None)):
        (project / "params.yaml").write_text(params.replace("reviews/*", pattern))
        sync = Done(capsys, "feedback", "sync", "--project", str(project))
        status = Done(capsys, "status", "--project", str(project))
        assert ("fits no file" in status.out + status.err) == (said is not None)
        assert ("fits no file" in sync.err) == (said == "others lie there")
        assert said is None or said in status.out + status.err


def test_what_an_earlier_version_took_in_is_read_anew_and_counts_no_more(project, capsys, monkeypatch):
    from beambell.config import formats

    wrong = [{"row_id": "old", "label": "spam", "answer": "reject"}]
    numbers = dict(formats.FORMATS)
    monkeypatch.setattr(formats, "FORMATS", numbers | {"batch": 1})
    monkeypatch.setattr("beambell.feedback.reading.is_marked", lambda names: False)
    bring(project, capsys, "old.jsonl", wrong)
    assert [e["verdict"] for e in _events(project) if e["row_id"] == "old"] == ["label"]
    where = ("--project", str(project))
    assert Done(capsys, "feedback", "sync", *where).code == 0
    monkeypatch.undo()
    assert bring(project, capsys, "old.jsonl", wrong).counts == [1, 1, 0, 0]
    assert [e["verdict"] for e in _events(project) if e["row_id"] == "old"] == ["not_label"]
    assert Done(capsys, "feedback", "sync", *where).code == 0
    (row,) = Project(project).feedback("arrow").filter(pc.field("row_id") == "old").to_pylist()
    assert (row["verdict"], row["excluded"]) == ("not_label", ["spam"])
    assert Done(capsys, "verify", "--deep", *where).code == 0


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from([*MIXED, {"row_id": "r1"}, {}, {"label": ["ham"], "row_id": "r2"}]), max_size=6))
def test_the_counts_add_up(project, capsys, records):
    """N = A + S + U, and as many events are kept as there are answers, and rows that reviewers skipped."""
    (one,) = json.loads(bring(project, capsys, "law.jsonl", records, "--json").out)
    assert one["records"] == one["answers"] + one["skipped"] + one["not_understood"] == len(records)
    assert one["answers"] <= one["events"] <= one["answers"] + one["skipped"]
    assert sum(one["skipped_because"].values()) == one["skipped"]
    assert sum(why["records"] for why in one["not_understood_because"]) == one["not_understood"]
