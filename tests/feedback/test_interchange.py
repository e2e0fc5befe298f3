"""Tasks go out and answers come back, in three formats; what is damaged costs itself only."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import InputError
from beambell.feedback.answers import Reading
from beambell.feedback.events import CheckedEvents, check_events
from beambell.feedback.interchange import guarded, unguarded, write_tasks
from beambell.feedback.label_studio import labeling_config
from beambell.feedback.reading import read_parts
from beambell.feedback.tasks import TASKS_SCHEMA

CLASSES = ["ham", "spam"]


def task(row_id: str = "r1", **changes: Any) -> dict[str, Any]:
    return {
        "row_id": row_id,
        "stream": "comments",
        "text": "win $$$ <b>now</b>",
        "suggestion": "spam",
        "confidence": 0.75,
        "votes": "links=spam",
        "label_model": "ab" * 32,
        "picked_by": "entropy",
        "probability": 0.125,
        "random_share": 0.2,
        "votes_shown": True,
        **changes,
    }


def tasks(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows) or [task()], TASKS_SCHEMA)


def written(table: pa.Table, file_format: Any) -> bytes:
    return b"".join(write_tasks(table, file_format))


def read(data: bytes | str, name: str, **defaults: Any) -> tuple[CheckedEvents, int]:
    """Events and rejects of all parts, and how many tasks are unanswered."""
    file = io.BytesIO(data.encode() if isinstance(data, str) else data)
    parts = list(read_parts(file, name=name, reading=Reading(tuple(CLASSES))))
    chunks = [chunk for part in parts for chunk in (part.answers, part.taken_back)]
    checked = [check_events(chunk, classes=CLASSES, defaults=defaults) for chunk in chunks]
    events = [one.events for one in checked]
    return (
        CheckedEvents(
            pa.concat_tables(events) if events else pa.table({}), [r for one in checked for r in one.rejects]
        ),
        sum(part.skipped.total() - len(part.taken_back.lines) for part in parts),
    )


# -- CSV and JSON lines ------------------------------------------------------------------------------------------


def answered_csv(data: bytes, **answers: str) -> bytes:
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows([row | answers for row in rows])
    return out.getvalue().encode()


def answered_jsonl(data: bytes, **answers: str) -> bytes:
    return b"".join(json.dumps(json.loads(line) | answers).encode() + b"\n" for line in data.splitlines())


ANSWER = {"label": "ham", "reviewer": "ann", "time": "2026-01-03T07:15:00Z"}


@pytest.mark.parametrize(("name", "answered"), [("csv", answered_csv), ("jsonl", answered_jsonl)])
def test_an_answered_file_comes_back_with_how_each_row_was_picked(name, answered):
    table = tasks(task("r1"), task("=r2", picked_by="random", votes_shown=False, suggestion=None, confidence=None))
    data = answered(written(table, name), **ANSWER)
    checked, unanswered = read(data, f"answers.{name}")
    assert not checked.rejects
    assert unanswered == 0
    first, second = checked.events.to_pylist()
    assert first["row_id"] == "r1"
    assert second["row_id"] == "=r2"
    for event in (first, second):
        assert (event["verdict"], event["label"], event["reviewer"]) == ("label", "ham", "ann")
        assert (event["probability"], event["random_share"]) == (0.125, 0.2)
    assert (first["picked_by"], first["votes_shown"]) == ("entropy", True)
    assert (second["picked_by"], second["votes_shown"]) == ("random", False)
    assert read(data, f"answers.{name}")[0].events.equals(checked.events)  # so a second import brings nothing new


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_tasks_that_nobody_answered_are_neither_events_nor_rejects(name):
    table = tasks(task("r1"), task("r2"), task("r3"))
    data = written(table, name)
    assert read(data, f"a.{name}")[1] == 3
    lines = data.decode().splitlines(keepends=True)
    at = 1 if name == "csv" else 0
    assert lines[at].count("r1") == 1
    one = answered_csv if name == "csv" else answered_jsonl
    head = lines[0] if name == "csv" else ""
    first = one((head + lines[at]).encode(), **ANSWER).decode().splitlines(keepends=True)[-1]
    checked, unanswered = read("".join([*lines[:at], first, *lines[at + 1 :]]), f"a.{name}")
    assert (checked.events.num_rows, checked.rejects, unanswered) == (1, [], 2)


def test_a_row_without_an_answer_that_is_no_task_is_a_fault():
    checked, unanswered = read("row_id,stream,label,reviewer,time\nr1,comments,,ann,2026-01-03\n", "a.csv")
    assert unanswered == 0
    assert [reject.line for reject in checked.rejects] == [2]


def test_a_half_bad_csv_gives_its_good_half():
    head = "row_id,stream,label,reviewer,time\n"
    good = "r{},comments,ham,ann,2026-01-03T00:00:00Z\n"
    rows = [good.format(i) for i in range(20)]
    rows[3] = 'r3,comments,"ham,ann,2026-01-03T00:00:00Z\n'  # a quote that nobody closes
    rows[5] = "r5,comments,eggs,ann,2026-01-03T00:00:00Z\n"
    rows[7] = "r7,comments\n"
    checked, _ = read(head + "".join(rows), "a.csv")
    assert checked.events["row_id"].to_pylist() == [f"r{i}" for i in range(20) if i not in (3, 5, 7)]
    assert sorted(reject.line for reject in checked.rejects) == [5, 7, 9]


def test_a_half_bad_jsonl_gives_its_good_half():
    good = {"row_id": "r", "stream": "comments", "label": "ham", "reviewer": "ann", "time": 1767398400}
    lines = [json.dumps(good | {"row_id": f"r{i}"}) for i in range(6)]
    lines[1], lines[4] = lines[1][:-5], json.dumps(good | {"probability": 2})
    checked, _ = read("\n".join(lines), "a.jsonl")
    assert checked.events["row_id"].to_pylist() == ["r0", "r2", "r3", "r5"]
    assert sorted(reject.line for reject in checked.rejects) == [2, 5]


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\uff1d1"])
def test_a_spreadsheet_sees_no_formula(cell):
    row = next(csv.DictReader(io.StringIO(written(tasks(task(text=cell)), "csv").decode(), newline="")))
    assert row["text"] == "'" + cell


@given(st.text(alphabet=st.sampled_from("'= +-@\t\ra\n"), max_size=8) | st.text(max_size=8))
def test_guarding_a_cell_is_undone(cell):
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell) in (cell, "'" + cell)


def test_a_format_nobody_knows_says_what_to_do():
    with pytest.raises(InputError, match="--format"):
        read(b"PK", "answers.xlsx")


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.jsonl", "a.json"]))
def test_no_bytes_raise(data, name):
    read(data, name)


# -- Label Studio ------------------------------------------------------------------------------------------------


def annotation(*choices: str, by: Any = 7, at: str = "2026-01-03T07:15:00.123456Z", **changes: Any) -> dict[str, Any]:
    result = [
        {
            "id": "x1",
            "from_name": "label",
            "to_name": "text",
            "type": "choices",
            "origin": "manual",
            "value": {"choices": list(choices)},
        }
    ]
    return {
        "id": 41,
        "completed_by": by,
        "result": result if choices else [],
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": at,
        "updated_at": at,
        "lead_time": 3.2,
        "task": 12,
        **changes,
    }


def exported(*annotations: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    """What Label Studio's export JSON makes of the tasks that were imported."""
    imported = json.loads(written(tasks(task(**changes)), "label-studio"))
    return [{"id": 12 + i, "meta": {}, **one, "annotations": list(annotations)} for i, one in enumerate(imported)]


def minimal(full: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same as JSON-MIN: data at the top, answers under their controls' names, one entry per annotation."""
    found = []
    for one in full:
        for done in one["annotations"]:
            if done["was_cancelled"]:
                continue
            entry = {**one["data"], "id": one["id"]}
            for result in done["result"]:
                value = result["value"]
                values = value.get("choices", value.get("text"))
                entry[result["from_name"]] = values[0] if len(values) == 1 else value
            by = done["completed_by"]
            entry["annotator"] = by.get("email") if isinstance(by, dict) else by
            entry["annotation_id"] = done["id"]
            found.append(entry | {name: done[name] for name in ("created_at", "updated_at", "lead_time")})
    return found


def studio(export: Any) -> tuple[CheckedEvents, int]:
    return read(json.dumps(export), "export.json")


def test_a_task_carries_the_suggestion_and_how_it_was_picked():
    (one,) = json.loads(written(tasks(), "label-studio"))
    assert one["data"]["row_id"] == "r1"
    assert one["data"]["probability"] == 0.125
    (prediction,) = one["predictions"]
    assert prediction["score"] == 0.75
    assert prediction["result"][0]["value"] == {"choices": ["spam"]}
    assert not {"id", "label", "comment"} & set(one["data"])  # JSON-MIN would write over them


def test_who_is_to_look_without_being_told_is_told_nothing():
    (one,) = json.loads(written(tasks(task(suggestion=None, votes=None, votes_shown=False)), "label-studio"))
    assert one["predictions"] == []
    assert not {"suggestion", "votes", "confidence"} & set(one["data"])


def test_no_task_is_an_empty_array():
    assert json.loads(written(TASKS_SCHEMA.empty_table(), "label-studio")) == []


def test_an_annotation_comes_back_as_an_event():
    checked, unanswered = studio(exported(annotation("ham")))
    (event,) = checked.events.to_pylist()
    assert not checked.rejects
    assert unanswered == 0
    assert (event["row_id"], event["stream"], event["label"]) == ("r1", "comments", "ham")
    assert (event["reviewer"], event["time"].isoformat()) == ("label-studio:7", "2026-01-03T07:15:00.123456+00:00")
    assert (event["picked_by"], event["probability"], event["random_share"]) == ("entropy", 0.125, 0.2)
    assert event["votes_shown"] is True


COMMENT = {"id": "x2", "from_name": "comment", "to_name": "text", "type": "textarea", "value": {"text": ["odd"]}}


@pytest.mark.parametrize("by", [7, {"id": 7, "email": "ann@example.com", "first_name": ""}])
@pytest.mark.parametrize("choices", [("ham",), ("ham", "spam"), ("(unsure)",), ("(none of these)",)])
def test_both_exports_give_the_same_event(choices, by):
    done = annotation(*choices, by=by)
    done["result"].append(COMMENT)
    full, short = studio(exported(done))[0].events, studio(minimal(exported(done)))[0].events
    assert full.num_rows == 1
    assert full.equals(short)


@pytest.mark.parametrize(
    ("done", "verdict", "comment"),
    [
        (annotation("(unsure)"), "unsure", None),
        (annotation("(none of these)"), "not_a_class", None),
        (annotation("ham", "spam"), "unsure", "chose ham and spam"),
        (annotation("ham", "ham"), "label", None),
        (annotation(was_cancelled=True), "unsure", None),
        (annotation("ham", was_cancelled=True), "unsure", None),
    ],
)
def test_what_was_chosen_becomes_a_verdict(done, verdict, comment):
    (event,) = studio(exported(done))[0].events.to_pylist()
    assert (event["verdict"], event["comment"]) == (verdict, comment)


def test_of_several_annotations_by_one_annotator_the_latest_counts():
    early, late = "2026-01-03T07:00:00Z", "2026-01-04T07:00:00Z"
    done = [annotation("ham", at=late, id=9), annotation("spam", at=early, id=10), annotation("spam", by=8, id=11)]
    events = studio(exported(*done))[0].events
    assert sorted(zip(events["reviewer"].to_pylist(), events["label"].to_pylist(), strict=True)) == [
        ("label-studio:7", "ham"),
        ("label-studio:8", "spam"),
    ]
    assert events.sort_by("event_id").equals(studio(exported(*done[::-1]))[0].events.sort_by("event_id"))


def test_an_annotation_that_was_changed_is_another_event():
    before = studio(exported(annotation("ham")))[0].events
    after = studio(exported(annotation("spam", updated_at="2026-01-05T00:00:00Z")))[0].events
    assert before["event_id"] != after["event_id"]


def test_nothing_chosen_is_no_answer():
    assert studio(exported(annotation()))[1] == 1
    assert studio(exported())[1] == 1


def test_a_half_bad_export_gives_its_good_half():
    good = [exported(annotation("ham"), row_id=f"r{i}")[0] for i in range(8)]
    good[1] = "task"
    good[2]["annotations"] = {}
    good[3]["annotations"][0]["result"] = [{"type": "choices"}]
    good[4]["annotations"][0]["result"][0]["value"]["choices"] = [3]
    del good[5]["data"]["row_id"]
    checked, _ = studio(good)
    assert checked.events["row_id"].to_pylist() == ["r0", "r6", "r7"]
    assert sorted(reject.line for reject in checked.rejects) == [2, 3, 4, 5, 6]
    text = json.dumps(good, indent=1)
    broken, _ = read(text[: text.index('"r7"')], "export.json")
    assert broken.events["row_id"].to_pylist() == ["r0", "r6"]
    (remark,) = [reject for reject in broken.rejects if reject.line is None]
    assert remark.code == "truncated"
    assert "line" in remark.message


def test_tasks_may_come_alone_or_one_per_line():
    (one,) = exported(annotation("ham"))
    assert studio(one)[0].events.num_rows == 1
    assert read(json.dumps(one) + "\n" + json.dumps(one), "x.json")[0].events.num_rows == 2


def test_two_controls_that_could_be_the_label_are_a_question():
    done = annotation("ham")
    done["result"][0]["from_name"] = "tone"
    assert studio(exported(done))[0].events.num_rows == 1
    done["result"].append({**done["result"][0], "from_name": "topic"})
    (reject,) = studio(exported(done))[0].rejects
    assert "tone, topic" in reject.message


def test_half_a_surrogate_pair_is_set_aside():
    text = json.dumps(exported(annotation("ham"))).replace('"r1"', '"\\ud83d"')
    checked, _ = read(text, "x.json")
    assert checked.events.num_rows == 0
    assert checked.rejects[0].code == "bad_encoding"


def test_the_labeling_interface_offers_the_classes_and_two_ways_out():
    root = ET.fromstring(labeling_config(["ham", 'a"<&']))
    values = [choice.get("value") for choice in root.iter("Choice")]
    assert values == ["ham", 'a"<&', "(unsure)", "(none of these)"]
    assert next((text.tag, text.get("value")) for text in root if text.tag != "Choices") == ("Text", "$text")
