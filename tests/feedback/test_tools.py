"""Answers of other tools: each record is an answer, skipped, or not understood by its name; none is its opposite."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import InputError, UsageError
from beambell.feedback.answers import Reading, read_map
from beambell.feedback.events import check_events
from beambell.feedback.reading import read_parts

CLASSES = ["ham", "spam", "news"]
WHEN = "2026-01-03T07:15:00Z"
ROW = {"row_id": "r1", "stream": "s", "text": "win now"}
MAP = {"Junk": "spam", "2": "spam", "left": "ham", "4": "news", "late > parcel": "news", "x=y": "ham"}
USUAL = {"reviewer": "file", "time": "2026-01-09"}


class Said:
    """What became of the records of a file."""

    def __init__(self, data: bytes | str, name: str, reading: Reading, file_format: str | None = None) -> None:
        file = io.BytesIO(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
        self.events: list[dict[str, Any]] = []
        self.back: list[dict[str, Any]] = []
        self.rejects = []
        self.skipped = 0
        for part in read_parts(file, name=name, reading=reading, file_format=file_format):
            checked = check_events(part.answers, classes=CLASSES, defaults=USUAL)
            self.events += checked.events.to_pylist()
            self.rejects += checked.rejects
            self.back += check_events(part.taken_back, classes=CLASSES, defaults=USUAL).events.to_pylist()
            self.skipped += part.skipped.total()

    @property
    def counted(self) -> tuple[int, int, int]:
        """Answers, skipped and not understood."""
        return len(self.events), self.skipped, sum(reject.line is not None for reject in self.rejects)

    @property
    def brief(self) -> list[tuple[str, str | None]]:
        """Verdict and label of each event."""
        return [(event["verdict"], event["label"]) for event in self.events]


def said(value: Any, name: str = "export.json", *, fmt: str | None = None, **how: Any) -> Said:
    data = value if isinstance(value, bytes | str) else json.dumps(value)
    return Said(data, name, Reading(tuple(CLASSES), how.pop("theirs", {}), **how), fmt)


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def table(*records: dict[str, Any], delimiter: str = ",") -> str:
    out = io.StringIO()
    columns = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.DictWriter(out, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


# -- Label Studio ------------------------------------------------------------------------------------------------


def result(kind: str, name: str = "label", **value: Any) -> dict[str, Any]:
    return {"id": "q", "from_name": name, "to_name": "text", "type": kind, "origin": "manual", "value": value}


def annotation(*results: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": 41,
        "completed_by": {"id": 7, "email": "ann@example.org"},
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": WHEN,
        "updated_at": WHEN,
        "result": list(results),
        **changes,
    }


def task(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    shown = {"result": [result("choices", choices=["spam"])], "score": 0.9}
    return {"id": 9, "data": ROW, "annotations": list(annotations), "predictions": [shown], "drafts": [], **changes}


SPAM = result("choices", choices=["spam"])
SPANS = [result("labels", start=i, end=i + 1, text="w", labels=["spam"]) for i in range(2)]
CONTROLS = [
    ([SPAM], ("label", "spam")),
    ([result("choices", choices=["Junk"])], ("label", "spam")),
    ([result("choices", choices=["ham", "spam"])], ("unsure", None)),
    ([result("taxonomy", taxonomy=[["mail", "spam"]])], ("label", "spam")),
    ([result("taxonomy", taxonomy=[["spam", "chain letter"]])], ("label", "spam")),
    ([result("taxonomy", taxonomy=[["late", "parcel"]])], ("label", "news")),
    (SPANS, ("label", "spam")),
    ([result("hypertextlabels", start="/p", end="/p", hypertextlabels=["spam"])], ("label", "spam")),
    ([result("rating", rating=4)], ("label", "news")),
    ([result("pairwise", selected="left")], ("label", "ham")),
    ([result("choices", start=i, end=i + 1, choices=["spam"]) for i in range(2)], ("label", "spam")),
    ([result("textarea", "answer", text=["Junk"])], ("label", "spam")),
    ([SPAM, result("rating", "sure", rating=1)], ("label", "spam")),
    ([SPAM, {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}], ("label", "spam")),
]


@pytest.mark.parametrize(("results", "brief"), CONTROLS)
def test_a_control_that_chooses_a_class_is_an_answer(results, brief):
    found = said([task(annotation(*results))], theirs=MAP)
    assert (found.brief, found.counted) == ([brief], (1, 0, 0))
    assert (found.events[0]["reviewer"], found.events[0]["row_id"]) == ("ann@example.org", "r1")


@pytest.mark.parametrize(
    ("results", "names"),
    [
        ([result("rating", rating=3)], ["rating", "3", "--map CLASS=3"]),
        ([result("number", number=12)], ["number", "12"]),
        ([result("pairwise", selected="right")], ["pairwise", "'right'"]),
        ([result("textarea", "answer", text=["so so"])], ["textarea", "'so so'"]),
        ([result("datetime", datetime="2026-01-01")], ["datetime", "2026-01-01"]),
        ([result("ranker", ranker={"a": ["x"]})], ["ranker"]),
        ([result("choices", choices=["egg"])], ["'egg'", "ham, spam, news", "--map"]),
        ([result("taxonomy", taxonomy=[["mail", "egg"]])], ["'mail > egg'", "--map"]),
        ([*SPANS, result("labels", labels=["ham"])], ["parts", "spam, ham"]),
        ([result("labels", labels=["PERSON"])], ["'PERSON'"]),
        ([result("choices", start=i, end=i + 1, choices=[CLASSES[i]]) for i in range(2)], ["parts", "ham, spam"]),
        ([result("choices", "tone", choices=["ham"]), result("choices", "topic", choices=["ham"])], ["tone, topic"]),
        ([result("choices", choices=["spam", "egg"])], ["'egg'"]),
    ],
)
def test_a_control_that_names_no_class_is_refused_by_its_name_and_value(results, names):
    found = said([task(annotation(*results)), task(annotation(SPAM))])
    assert (found.brief, found.counted) == ([("label", "spam")], (1, 0, 1))
    for name in names:
        assert name in found.rejects[0].message


def in_cloud() -> list[tuple[str, Any]]:
    one = {**annotation(SPAM), "task": task(), "project": 3}
    return [
        ("array", [task(annotation(SPAM))]),
        ("one object", task(annotation(SPAM))),
        ("pretty", json.dumps(task(annotation(SPAM)), indent=2)),
        ("cloud storage", one),
        ("webhook", {"action": "ANNOTATION_CREATED", "annotation": annotation(SPAM), "task": task(), "project": {}}),
        ("webhook, updated", {"action": "ANNOTATION_UPDATED", "annotation": annotation(SPAM), "task": task()}),
        ("old", {"id": 1, "data": ROW, "completions": [annotation(SPAM)]}),
        ("an API's page", {"tasks": [task(annotation(SPAM))], "total": 1}),
        ("in annotations", {"annotations": [one]}),
        ("min", [minimal(label="spam")]),
        ("min, several controls", [minimal(label="spam", sure=[{"rating": 3}])]),
        ("csv", table(minimal(label="spam", was_cancelled="False"))),
        ("tsv", table(minimal(label="spam", was_cancelled="False"), delimiter="\t")),
    ]


def minimal(**answers: Any) -> dict[str, Any]:
    times = {"created_at": WHEN, "updated_at": WHEN, "lead_time": 2.5}
    return {**ROW, "id": 9, **answers, "annotator": "ann@example.org", "annotation_id": 41, **times}


@pytest.mark.parametrize(("form", "value"), in_cloud())
def test_every_export_of_an_annotation_gives_the_same_event(form, value):
    name = form if form in ("csv", "tsv") else "json"
    found = said(value, f"x.{name}")
    assert found.counted == (1, 0, 0)
    assert found.events == said([task(annotation(SPAM))]).events
    assert said(gzip.compress(json.dumps(value).encode()) if name == "json" and not isinstance(value, str) else value,
                f"x.{name}").events == found.events  # fmt: skip


@pytest.mark.parametrize(
    ("control", "value", "brief"),
    [
        ("topic", {"choices": ["ham", "spam"]}, ("unsure", None)),
        ("topic", [{"taxonomy": [["mail", "spam"]]}], ("label", "spam")),
        ("topic", [{"start": 0, "end": 1, "labels": ["spam"]}], ("label", "spam")),
        ("topic", [{"rating": 4}], ("label", "news")),
        ("topic", [{"selected": "left"}], ("label", "ham")),
    ],
)
@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_looks_like_an_answer_is_found_without_its_name(form, control, value, brief):
    one = minimal(**{control: value if form == "json" else json.dumps(value)})
    assert said([one] if form == "json" else table(one), f"x.{form}", theirs=MAP).brief == [brief]


def test_a_word_in_a_field_is_no_answer_until_its_field_is_named():
    one = minimal(kind="spam")
    (reject,) = said([one]).rejects
    assert "--label-field, such as kind" in reject.message
    assert said([one], label_field="kind").brief == [("label", "spam")]


@pytest.mark.parametrize("field", ["data.mail", "meta.post", "mail", "post", "data.of.mail", "of.mail"])
def test_the_id_may_lie_anywhere_in_a_task_by_its_path(field):
    place = {"data": {"mail": "r1", "stream": "s", "of": {"mail": "r1"}}, "meta": {"post": "r1"}}
    own = annotation(SPAM)
    for one in (
        task(own) | place,
        {**own, "task": {"id": 3, **place}},
        {"action": "ANNOTATION_CREATED", "annotation": own, "task": {"id": 3, **place}, "project": {}},
        {
            "action": "ANNOTATIONS_CREATED",
            "annotation": [{**own, "task": 3}],
            "task": [{"id": 2, "data": {"mail": "r2"}}, {"id": 3, **place}],
            "project": {},
        },
    ):
        found = said([one], id_field=field)
        assert (found.brief, found.events[0]["row_id"]) == ([("label", "spam")], "r1")


@pytest.mark.parametrize(
    ("one", "counted"),
    [
        (task(annotation(SPAM, was_cancelled=True)), (0, 1, 0)),
        (task(annotation(SPAM, skipped=True)), (0, 1, 0)),
        (task(annotation(SPAM, was_cancelled="perhaps")), (0, 0, 1)),
        (task(drafts=[annotation(SPAM)]), (0, 1, 0)),
        (task(annotation()), (0, 1, 0)),
        (task(), (0, 1, 0)),
        (task(annotation(SPAM, ground_truth=True)), (1, 0, 0)),
        (task(annotation(SPAM, last_action="rejected")), (0, 1, 0)),
        (task(annotation(SPAM, last_action="fixed_and_accepted", reviews=[{"accepted": False}])), (1, 0, 0)),
        (task(annotation(SPAM, reviews=[{"accepted": False}])), (0, 1, 0)),
        (task(annotation(SPAM, reviews=[{"accepted": False}, {"accepted": True}])), (1, 0, 0)),
        (
            task(
                annotation(
                    SPAM, reviews=[{"accepted": False, "created_at": "2"}, {"accepted": True, "created_at": "1"}]
                )
            ),
            (0, 1, 0),
        ),
        (task(annotation(SPAM), annotation(SPAM, completed_by=8)), (2, 0, 0)),
        (task(annotation(SPAM), annotation(SPAM, id=42, updated_at="2026-01-04")), (1, 1, 0)),
        ({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 41}], "project": {}}, (0, 0, 1)),
        ({"action": "ANNOTATION_REVIEWED", "annotation": annotation(SPAM), "task": task()}, (0, 0, 1)),
        ({"action": "PROJECT_UPDATED", "project": {"id": 3}}, (0, 1, 0)),
        ({**annotation(SPAM), "task": 9}, (0, 0, 1)),
        (minimal(label="spam", was_cancelled="1"), (0, 1, 0)),
    ],
)
def test_an_answer_that_was_not_given_or_was_taken_back_is_none(one, counted):
    assert said([one]).counted == counted


# -- Prodigy -----------------------------------------------------------------------------------------------------


def prodigy(answer: Any, **changes: Any) -> dict[str, Any]:
    meta = {"_task_hash": 1, "_input_hash": 2, "_view_id": "classification", "_session_id": "set-ada"}
    return {**ROW, **meta, "_timestamp": 1767424500, "answer": answer, **changes}


OPTIONS = [{"id": name, "text": name.title()} for name in CLASSES]


@pytest.mark.parametrize(
    ("one", "brief", "counted"),
    [
        (prodigy("accept", label="spam"), [("label", "spam")], (1, 0, 0)),
        (prodigy("reject", label="spam"), [("not_label", "spam")], (1, 0, 0)),
        (prodigy("ignore", label="spam"), [], (0, 1, 0)),
        (prodigy("Accept!", label="spam"), [], (0, 0, 1)),
        (prodigy(None, label="spam"), [], (0, 1, 0)),
        (prodigy("accept", label="Junk"), [("label", "spam")], (1, 0, 0)),
        (prodigy("reject", label="egg"), [], (0, 0, 1)),
        (prodigy("accept", label="spam", spans=[]), [("label", "spam")], (1, 0, 0)),
        (prodigy("accept", label="spam", spans=[{"start": 0, "end": 3}]), [("label", "spam")], (1, 0, 0)),
        (prodigy("accept", spans=[{"start": 0, "end": 3, "label": "spam"}]), [], (0, 0, 1)),
        (prodigy("accept", label="spam", _view_id="ner"), [], (0, 0, 1)),
        (prodigy("accept", _view_id="text_input", user_input="spam"), [], (0, 0, 1)),
        (prodigy("accept", options=OPTIONS, accept=["ham"]), [("label", "ham")], (1, 0, 0)),
        (prodigy("accept", options=OPTIONS, accept=["ham", "spam"]), [("unsure", None)], (1, 0, 0)),
        (prodigy("accept", options=[{"id": 7, "text": "news"}], accept=[7]), [("label", "news")], (1, 0, 0)),
        (prodigy("accept", options=[{"id": 7, "text": "egg"}], accept=[7]), [], (0, 0, 1)),
        (prodigy("accept", options=OPTIONS, accept=[]), [("not_a_class", None)], (1, 0, 0)),
        (prodigy("accept", options=OPTIONS[:2], accept=[]), [], (0, 0, 1)),
        (prodigy("reject", options=OPTIONS, accept=["ham"]), [], (0, 0, 1)),
        (prodigy("ignore", options=OPTIONS, accept=["ham"]), [], (0, 1, 0)),
        ({**ROW, "options": OPTIONS, "accept": ["spam"], "answer": "accept"}, [("label", "spam")], (1, 0, 0)),
        ({**ROW, "label": "spam", "answer": "reject"}, [("not_label", "spam")], (1, 0, 0)),
    ],
)  # fmt: skip
def test_prodigy_answers_are_accepted_rejected_or_ignored(one, brief, counted):
    found = said(lines(one), "db.jsonl", theirs=MAP)
    assert (found.brief, found.counted) == (brief, counted)
    assert said([one], theirs=MAP).brief == brief


def test_prodigy_says_who_and_when():
    (event,) = said(lines(prodigy("accept", label="spam", _annotator_id="set-bob")), "db.jsonl").events
    assert (event["reviewer"], event["time"].isoformat()) == ("set-bob", "2026-01-03T07:15:00+00:00")
    (event,) = said(
        lines(prodigy("accept", label="spam", row_id=None, meta={"id": 5})), "a.jsonl", id_field="meta.id"
    ).events
    assert (event["reviewer"], event["row_id"]) == ("set-ada", "5")


# -- doccano -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "brief", "counted"),
    [
        ({"label": ["spam"], "Comments": []}, [("label", "spam")], (1, 0, 0)),
        ({"label": ["Junk"], "Comments": ["ads"]}, [("label", "spam")], (1, 0, 0)),
        ({"label": ["ham", "spam"], "Comments": []}, [("unsure", None)], (1, 0, 0)),
        ({"label": ["ham", "egg"]}, [], (0, 0, 1)),
        ({"label": []}, [], (0, 1, 0)),
        ({"labels": ["spam"], "annotation_approver": "admin", "meta": {}}, [("label", "spam")], (1, 0, 0)),
        ({"labels": [[0, 3, "spam"]], "meta": {}}, [("label", "spam")], (1, 0, 0)),
        ({"label": [[0, 3, "PERSON"]], "Comments": []}, [], (0, 0, 1)),
        ({"cats": ["ham"], "entities": [[0, 3, "PERSON"]]}, [("label", "ham")], (1, 0, 0)),
        ({"entities": [{"id": 1, "label": "PERSON"}], "relations": []}, [], (0, 0, 1)),
        ({"annotations": [{"label": 2, "user": 1}], "meta": {}}, [("label", "spam")], (1, 0, 0)),
        ({"annotations": [{"label": 3, "user": 1}], "meta": {}}, [], (0, 0, 1)),
        ({"annotations": [{"label": 2, "user": 1}, {"label": 3, "user": 4}]}, [("label", "spam")], (1, 0, 1)),
        ({"annotations": [{"label": "ham", "user": "eve"}]}, [("label", "ham")], (1, 0, 0)),
        ({"annotations": [{"text": "a summary", "user": 1}]}, [], (0, 0, 1)),
        ({"annotations": []}, [], (0, 1, 0)),
    ],
)
def test_doccano_old_and_new(one, brief, counted):
    found = said(lines({"id": 4, **ROW, **one}), "all.jsonl", theirs=MAP)
    assert (found.brief, found.counted) == (brief, counted)


def test_doccano_csv_joins_labels():
    rows = [{**ROW, "id": i, "label": label, "Comments": ""} for i, label in enumerate(["spam", "ham#spam", "", "egg"])]
    found = said(table(*rows), "all.csv")
    assert (found.brief, found.counted) == ([("label", "spam"), ("unsure", None)], (2, 1, 1))


def test_a_number_that_doccano_gave_is_asked_for():
    (reject,) = said(lines({**ROW, "annotations": [{"label": 2, "user": 1}]}), "a.jsonl").rejects
    assert "label 2 is a number that doccano gave" in reject.message
    assert "--map CLASS=2" in reject.message
    (event,) = said(lines({**ROW, "annotations": [{"label": 2, "user": 1}]}), "a.jsonl", theirs={"2": "ham"}).events
    assert event["reviewer"] == "doccano:1"


# -- Argilla -----------------------------------------------------------------------------------------------------


def responses(*found: tuple[Any, str | None], question: str = "label") -> dict[str, Any]:
    each = [{"value": value, "user_id": f"u{i}", "status": status} for i, (value, status) in enumerate(found)]
    return {"id": "a", "fields": {"text": "x"}, "metadata": ROW, "responses": {question: each}, "suggestions": {}}


def flat(*found: tuple[Any, str | None], question: str = "label") -> dict[str, Any]:
    return {
        **ROW,
        f"{question}.responses": [value for value, _ in found],
        f"{question}.responses.users": [f"u{i}" for i in range(len(found))],
        f"{question}.responses.status": [status for _, status in found],
        f"{question}.suggestion": "spam",
    }


def of_server(*found: tuple[Any, str | None], question: str = "label") -> dict[str, Any]:
    each = [
        {"user_id": f"u{i}", "status": status, "values": {question: {"value": value}}}
        for i, (value, status) in enumerate(found)
    ]
    return {"id": "a", "fields": {"text": "x"}, "metadata": ROW, "responses": each}


def of_dataset(*found: tuple[Any, str | None], question: str = "label") -> dict[str, Any]:
    each = [{"value": value, "user_id": f"u{i}", "status": status} for i, (value, status) in enumerate(found)]
    return {"id": "a", **ROW, question: each, f"{question}-suggestion": "spam", "metadata": {}}


@pytest.mark.parametrize("form", [responses, flat, of_server, of_dataset])
@pytest.mark.parametrize(
    ("found", "brief", "counted"),
    [
        ([("spam", "submitted")], [("label", "spam")], (1, 0, 0)),
        ([("Junk", "submitted"), ("ham", "submitted")], [("label", "spam"), ("label", "ham")], (2, 0, 0)),
        ([(["ham", "spam"], "submitted")], [("unsure", None)], (1, 0, 0)),
        ([("spam", "discarded")], [], (0, 1, 0)),
        ([("spam", "draft"), ("ham", "submitted")], [("label", "ham")], (1, 1, 0)),
        ([("spam", "lost")], [], (0, 0, 1)),
        ([(3, "submitted")], [], (0, 0, 1)),
        ([(4, "submitted")], [("label", "news")], (1, 0, 0)),
        ([([{"start": 0, "end": 2, "label": "spam"}], "submitted")], [], (0, 0, 1)),
        ([([{"value": "spam", "rank": 1}], "submitted")], [], (0, 0, 1)),
        ([("a free text", "submitted")], [], (0, 0, 1)),
        ([], [], (0, 1, 0)),
    ],
)
def test_argilla_responses(form, found, brief, counted):
    for value in ([form(*found)], lines(form(*found)), lines(form(*found), form(*found))):
        times = 2 if isinstance(value, str) and value.count("\n") == 2 else 1
        read = said(value, "r.json", theirs=MAP)
        assert (read.brief, read.counted) == (brief * times, tuple(n * times for n in counted))
    assert [event["reviewer"] for event in said([form(("ham", "submitted"))]).events] == ["u0"]


def test_argilla_as_pandas_writes_it_to_csv():
    one = flat(("spam", "submitted"), ("ham", "discarded"))
    found = said(table({name: str(value) for name, value in one.items()}), "a.csv")
    assert (found.brief, found.counted) == ([("label", "spam")], (1, 1, 0))


def test_argilla_by_columns_and_by_id():
    one, two = responses(("spam", "submitted")), responses(("ham", "submitted"))
    columns = {name: [one[name], two[name]] for name in one}
    assert said(columns).brief == said({"a": one, "b": two}).brief == [("label", "spam"), ("label", "ham")]


def test_argilla_asks_which_question_asks_for_the_class():
    two = responses(("spam", "submitted"), question="topic")
    two["responses"]["tone"] = [{"value": "ham", "user_id": "u0", "status": "submitted"}]
    (reject,) = said([two]).rejects
    assert "tone, topic" in reject.message
    assert said([two], label_field="tone").brief == [("label", "ham")]
    two["responses"]["tone"][0]["value"] = "friendly"
    assert said([two]).brief == [("label", "spam")]


@pytest.mark.parametrize(
    ("change", "brief", "counted"),
    [
        ({"annotation": "spam", "status": "Validated"}, [("label", "spam")], (1, 0, 0)),
        ({"annotation": ["spam"], "status": "Validated", "multi_label": True}, [("label", "spam")], (1, 0, 0)),
        ({"annotation": "spam", "status": "Discarded"}, [], (0, 1, 0)),
        ({"annotation": None, "status": "Default"}, [], (0, 1, 0)),
        ({"annotation": "spam", "status": "Edited"}, [], (0, 1, 0)),
        ({"annotation": "spam", "status": "Half"}, [], (0, 0, 1)),
        ({"annotation": [["PER", 0, 3]], "status": "Validated"}, [], (0, 0, 1)),
    ],
)
def test_argilla_version_1(change, brief, counted):
    old = {"id": "a", "prediction": [{"label": "ham", "score": 0.9}], "annotation_agent": "ada", "metadata": ROW}
    found = said([{**old, "event_timestamp": "2026-01-05T00:00:00", **change}])
    assert (found.brief, found.counted) == (brief, counted)


# -- anybody's files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "brief", "counted"),
    [
        ("answer", "accept", [("label", "spam")], (1, 0, 0)),
        ("answer", "reject", [("not_label", "spam")], (1, 0, 0)),
        ("answer", "ignore", [], (0, 1, 0)),
        ("answer", "maybe", [], (0, 0, 1)),
        ("status", "Validated", [("label", "spam")], (1, 0, 0)),
        ("status", "draft", [], (0, 1, 0)),
        ("status", "discarded", [], (0, 1, 0)),
        ("status", "shipped", [], (0, 0, 1)),
        ("Status", "rejected", [("not_label", "spam")], (1, 0, 0)),
        ("was_cancelled", "true", [], (0, 1, 0)),
        ("was_cancelled", "False", [("label", "spam")], (1, 0, 0)),
        ("is_deleted", "1", [], (0, 1, 0)),
        ("skipped", "", [("label", "spam")], (1, 0, 0)),
        ("deleted", "later", [], (0, 0, 1)),
        ("wasCancelled", "true", [], (0, 1, 0)),
        ("Is Deleted", "yes", [], (0, 1, 0)),
        ("removed", "1", [], (0, 1, 0)),
        ("rejected", "true", [("not_label", "spam")], (1, 0, 0)),
        ("isRejected", "no", [("label", "spam")], (1, 0, 0)),
        ("reviewStatus", "rejected", [("not_label", "spam")], (1, 0, 0)),
        ("Review Status", "approved", [("label", "spam")], (1, 0, 0)),
        ("response-status", "discarded", [], (0, 1, 0)),
        ("task_state", "shipped", [], (0, 0, 1)),
        ("accepted", "false", [], (0, 0, 1)),
        ("is_valid", "0", [], (0, 0, 1)),
        ("verified", "True", [("label", "spam")], (1, 0, 0)),
        ("correct", "no", [], (0, 0, 1)),
        ("state", "rejected", [("not_label", "spam")], (1, 0, 0)),
        ("state", "Ohio", [("label", "spam")], (1, 0, 0)),
        ("outcome", "discarded", [], (0, 1, 0)),
        ("review", "came too late", [("label", "spam")], (1, 0, 0)),
    ],
)
def test_a_column_that_takes_an_answer_back_is_understood_or_refused(column, value, brief, counted):
    one = {**ROW, "label": "spam", "reviewer": "ada", "time": WHEN, column: value}
    for data, name in ((table(one), "a.csv"), (lines(one), "a.jsonl"), (table(one, delimiter=";"), "a.csv")):
        found = said(data, name)
        assert (found.brief, found.counted) == (brief, counted)
        if counted[2]:
            assert value in found.rejects[0].message
            assert column in found.rejects[0].message


def test_the_answer_may_be_where_it_is_said_to_be():
    rows = [{"mail": 5.0, "kind": "Junk", "annotator": "ada", "annotated_at": WHEN, "stream": "s"}]
    for data, name in ((table(*rows), "a.csv"), (lines(*rows), "a.jsonl")):
        found = said(data, name, theirs=MAP, id_field="mail", label_field="kind")
        assert found.brief == [("label", "spam")]
        assert found.events[0]["reviewer"] == "ada"
    (event,) = said([{**ROW, "answer": "spam"}]).events
    assert event["label"] == "spam"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_spreadsheets(delimiter, bom):
    share = "0.3" if delimiter == "," else "0,3"
    one = {**ROW, "label": "spam", "reviewer": "ada", "time": WHEN, "probability": share}
    found = said(bom + table(one, delimiter=delimiter), "a.csv")
    assert (found.brief, found.events[0]["probability"]) == ([("label", "spam")], 0.3)


def test_a_map_gives_their_words_to_classes():
    classes = ["a", "a=b"]
    assert read_map(["a=x", "a=y", "a=b=z"], classes) == {"x": "a", "y": "a", "z": "a=b"}
    for wrong in (["c=x"], ["a"], ["a=x", "a=b=x"]):
        with pytest.raises(UsageError, match="--map"):
            read_map(wrong, classes)


def test_an_unknown_format_is_named():
    with pytest.raises(InputError, match="label-studio"):
        said("x", "a.csv", fmt="xlsx")
    with pytest.raises(InputError, match="--format"):
        said("x", "a.pdf")
    assert said(json.dumps([task(annotation(SPAM))]), "27").brief == [("label", "spam")]  # as cloud storage names files


RECORDS = [
    task(annotation(SPAM)), task(), task(annotation(result("rating", rating=3))), minimal(label="spam"),
    prodigy("accept", label="spam"), prodigy("reject", label="ham"), prodigy("ignore", label="ham"), prodigy(7),
    {**ROW, "label": ["ham"]}, {**ROW, "annotations": [{"label": 9, "user": 1}]},
    responses(("ham", "submitted")), responses(("ham", "draft")), flat(("ham", "lost")),
    {**ROW, "label": "ham"}, {**ROW, "label": "egg"}, {**ROW, "label": "ham", "status": "??"}, {}, 3, None, [1], "x",
]  # fmt: skip


@given(st.lists(st.sampled_from(RECORDS), max_size=8), st.sampled_from(["array", "lines", "pretty"]))
def test_every_record_is_an_answer_skipped_or_not_understood(records, form):
    """The law: N = A + S + U, with any company and layout; these records are one answer each at most."""
    if form == "lines":
        data = "".join(json.dumps(record) + "\n" for record in records)
    else:
        data = json.dumps(records, indent=2 if form == "pretty" else None)
    found = said(data, "x.jsonl" if form == "lines" else "x.json")
    assert sum(found.counted) == len(records)
    alone = [said([record]).counted for record in records]
    assert found.counted == tuple(sum(column) for column in zip(*alone, strict=True)) if alone else (0, 0, 0)


KEYS = [
    "annotations",
    "data",
    "result",
    "label",
    "answer",
    "responses",
    "task",
    "value",
    "choices",
    "accept",
    "options",
    "annotation",
    "action",
    "status",
    "type",
    "label.responses",
    "annotation_id",
    "cats",
    "meta",
    "completed_by",
    "labels",
    "entities",
    "drafts",
    "taxonomy",
]
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False)


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_shape_raises(value):
    found = said([value])
    assert sum(found.counted) >= 1
    said(lines({"a": value}) + json.dumps(value), "x.jsonl", theirs=MAP, id_field="meta.id", label_field="label")


def test_a_large_array_is_read_piece_by_piece_and_up_to_where_it_breaks():
    one = json.dumps({**ROW, "text": "x" * 300, "label": "spam"})
    n = 12_000  # some 4 MB: several pieces
    data = "[" + ",\n".join([one] * n)
    found = said(data, "x.json")
    assert len(found.events) == n
    (remark,) = found.rejects
    assert (remark.line, remark.code) == (None, "truncated")
    assert len(said(gzip.compress(data.encode())[:-2000], "x.json.gz").events) > n // 2


def test_nesting_is_bounded():
    deep = "[" * 200_000 + "]" * 200_000
    found = said(f'[{{"row_id": "r", "label": "spam", "stream": "s", "x": {deep}}}]')
    assert found.counted[0] == 0
    assert len(found.rejects) == 1
