"""Argilla: records of version 1 (one annotation) and of version 2 (responses by question and user), nested or flat.

Predictions and suggestions are a model's, and nobody's answer.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any, Final

from beambell.feedback.answers import (
    NOBODY,
    NOT_CHOSEN,
    Answer,
    NotUnderstoodError,
    Outcome,
    Reading,
    Record,
    Refused,
    Skipped,
    as_list,
    first_of,
    is_blank,
    shown,
    spelled,
)
from beambell.feedback.events import Verdict
from beambell.records.schema import Code

MARKS: Final = frozenset({"responses", "annotation", "annotation_agent", "prediction", "_server_id", "suggestions"})

_LONGEST_LIST: Final = 10_000
_FLAT: Final = ".responses"
_STATES: Final = frozenset({"validated", "default", "edited", "discarded"})


def tells(record: Record) -> bool:
    """Tell a record by its responses, or by an annotation beside a prediction, an agent or a status."""
    if isinstance(record.get("responses"), dict | list) or any(str(name).endswith(_FLAT) for name in record):
        return True
    if "_server_id" in record or any(_is_responses(value) for value in record.values()):
        return True
    return "annotation" in record and any(name in record for name in ("annotation_agent", "prediction", "status"))


def read(record: Record, reading: Reading) -> Iterator[Outcome]:
    """Read one record: an answer of each user that responded."""
    event = reading.row_of(record)
    if "annotation" in record and "responses" not in record:
        yield _of_version_1(record, event, reading)
        return
    questions = dict(_questions(record))
    name = _which(questions, reading)
    responses = questions.get(name, []) if name is not None else []
    if not responses:
        yield Skipped(NOBODY)
    for response in responses:
        try:
            yield _of_response(response, name or "", event | _when(record), reading)
        except NotUnderstoodError as error:
            yield Refused(error.code, f"question {name!r}: {error}")


def _of_version_1(record: Record, event: dict[str, Any], reading: Reading) -> Outcome:
    status = (spelled(record.get("status")) or "validated").lower()
    if status not in _STATES:
        raise NotUnderstoodError(
            f"status is {shown(record.get('status'))}; Argilla writes Validated, Edited, Default or Discarded"
        )
    event |= {
        "reviewer": first_of(record, ("reviewer", "annotation_agent")),
        "time": first_of(record, ("time", "event_timestamp", "last_updated")),
    }
    if status == "discarded":
        return Answer({**event, "verdict": Verdict.UNSURE}, taken_back="discarded by the reviewer")
    words = as_list(_decoded(record["annotation"]))
    if status != "validated":
        return Skipped("not validated yet" if words else NOBODY)
    if any(isinstance(word, list | dict) for word in words):
        raise NotUnderstoodError(
            f"the annotation {shown(words)} marks parts of the text, and gives the row no class", Code.OTHER_ANSWER
        )
    chosen = reading.chosen(words)
    return Answer(event | chosen) if chosen else Skipped(NOBODY)


def _questions(record: Record) -> Iterator[tuple[str, list[Record]]]:
    """Give the responses to each question, whichever way the export nests them."""
    nested = record.get("responses")
    if isinstance(nested, dict):
        for name, responses in nested.items():
            yield name, [one if isinstance(one, dict) else {"value": one} for one in as_list(responses)]
    elif isinstance(nested, list):
        yield from _of_server(nested)
    for key, flat in record.items():
        if key != "responses" and _is_responses(flat):
            yield key, flat
        if isinstance(key, str) and key.endswith(_FLAT):
            values, users, states = (
                as_list(_decoded(record.get(f"{key}{part}"))) for part in ("", ".users", ".status")
            )
            if not isinstance(flat, list) and not is_blank(flat) and not values:
                values = [flat]
            yield (
                key.removesuffix(_FLAT),
                [
                    {"value": value, "user_id": _at(users, i), "status": _at(states, i)}
                    for i, value in enumerate(values)
                ],
            )


def _of_server(nested: list[Any]) -> Iterator[tuple[str, list[Record]]]:
    """Turn responses user by user, as the server gives them, into responses question by question."""
    found: dict[str, list[Record]] = {}
    for response in nested:
        if not isinstance(response, dict):
            raise NotUnderstoodError(f"its responses hold {shown(response)}, not objects", Code.BAD_JSON)
        if "question_name" in response:
            found.setdefault(str(response["question_name"]), []).append(response)
        values = response.get("values")
        for name, value in (values or {}).items() if isinstance(values, dict | None) else ():
            found.setdefault(name, []).append(response | (value if isinstance(value, dict) else {"value": value}))
        if not values and "question_name" not in response and not is_blank(response.get("status")):
            found.setdefault("", []).append(response | {"value": None})
    blank = found.pop("", [])
    for name in found or {"": []}:
        yield name, [*found.get(name, []), *blank]


def _is_responses(value: Any) -> bool:
    """Tell the responses to one question, as datasets of version 1 have them in a column."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and "value" in first and ("user_id" in first or "status" in first)


def _which(questions: dict[str, list[Record]], reading: Reading) -> str | None:
    """Find the question that asks for the class."""
    if reading.label_field is not None:
        return reading.label_field
    answered = {name: responses for name, responses in questions.items() if responses}
    if "label" in answered or len(answered) < 2:
        return "label" if "label" in answered else next(iter(answered), None)
    fitting = [
        name
        for name, responses in answered.items()
        if any(reading.knows(word) for one in responses for word in as_list(_decoded(one.get("value"))))
    ]
    if len(fitting) == 1:
        return fitting[0]
    raise NotUnderstoodError(
        f"answers to the questions {', '.join(sorted(answered))}; say with --label-field which asks for the class"
    )


def _of_response(response: Record, question: str, event: dict[str, Any], reading: Reading) -> Outcome:
    status = (spelled(response.get("status")) or "submitted").lower().rpartition(".")[2]
    user = response.get("user_id") or response.get("user")
    event = event | {"reviewer": first_of(response, ("reviewer", "user_id", "user")) if user else event.get("reviewer")}
    event |= {"time": first_of(response, ("updated_at", "inserted_at")) or event["time"]}
    if status == "discarded":
        return Answer({**event, "verdict": Verdict.UNSURE}, taken_back="discarded by the reviewer")
    if status == "draft":
        return Skipped("only a draft")
    if status != "submitted":
        raise NotUnderstoodError(
            f"status is {shown(response.get('status'))}; Argilla writes submitted, discarded or draft"
        )
    words = as_list(_decoded(response.get("value")))
    for word in words:
        if isinstance(word, list | dict) or (not isinstance(word, str) and not reading.knows(word)):
            raise NotUnderstoodError(
                f"the answer {shown(word)} to {question!r} names no class; {reading.fix(word)}", Code.OTHER_ANSWER
            )
    chosen = reading.chosen(words)
    return Answer(event | chosen) if chosen else Skipped(NOT_CHOSEN)


def _when(record: Record) -> dict[str, Any]:
    return {"time": first_of(record, ("time", "updated_at", "inserted_at"))}


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return _literal(value)
    return value


def _literal(text: str) -> Any:
    """Read a list as pandas writes it to CSV."""
    if len(text) > _LONGEST_LIST:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _at(values: list[Any], i: int) -> Any:
    return values[i] if i < len(values) else None
