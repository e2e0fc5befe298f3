"""Prodigy: what ``db-out`` writes of its interfaces for whole texts, binary and with options.

``answer`` says what became of a task: ``accept``, ``reject``, or ``ignore``. In the binary interface it is about the
one label that was suggested, in the interface with options about what is in ``accept``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from beambell.feedback.answers import (
    BY_REVIEWER,
    NOBODY,
    Answer,
    NotUnderstoodError,
    Outcome,
    Reading,
    Record,
    Skipped,
    as_list,
    first_of,
    is_blank,
    shown,
    spelled,
)
from beambell.feedback.events import Verdict
from beambell.records.schema import Code

MARKS: Final = frozenset(
    {"options", "accept", "spans", "_view_id", "_session_id", "_annotator_id", "_task_hash", "_input_hash"}
)
ACCEPT, REJECT, IGNORE = "accept", "reject", "ignore"

_OF_PARTS: Final = (
    "ner",
    "spans",
    "rel",
    "dep",
    "pos",
    "coref",
    "image",
    "audio",
    "video",
    "diff",
    "compare",
    "text_input",
)
_HASHES: Final = ("_view_id", "_session_id", "_annotator_id", "_task_hash", "_input_hash")


def tells(record: Record) -> bool:
    """Tell an answered task by its hashes, or by options with what was accepted of them."""
    return any(name in record for name in _HASHES) or (
        "accept" in record and ("options" in record or "answer" in record)
    )


def read(record: Record, reading: Reading) -> Iterator[Outcome]:
    """Read one answered task.

    Raises
    ------
    NotUnderstoodError
        If the answer is none of accept, reject and ignore.
    """
    answer = record.get("answer")
    if is_blank(answer):
        yield Skipped(NOBODY)
        return
    if answer not in (ACCEPT, REJECT, IGNORE):
        raise NotUnderstoodError(f"answer is {shown(answer)}; Prodigy writes accept, reject or ignore")
    event = reading.row_of(record) | {
        "reviewer": first_of(record, ("reviewer", "_annotator_id", "_session_id")),
        "time": first_of(record, ("time", "_timestamp")),
    }
    if "options" in record or "accept" in record:
        yield _of_options(record, answer, event, reading)
    else:
        yield _binary(record, answer, event, reading)


def _of_options(record: Record, answer: str, event: dict[str, Any], reading: Reading) -> Outcome:
    words = as_list(record.get("accept"))
    if answer == IGNORE:
        return Answer({**event, "verdict": Verdict.UNSURE}, taken_back=BY_REVIEWER)
    if answer == REJECT:
        raise NotUnderstoodError(
            f"the task was rejected with {shown(words)} chosen, which does not say what the row is; answer it again"
        )
    options = [option if isinstance(option, dict) else {"id": option} for option in as_list(record.get("options"))]
    texts = {spelled(option.get("id")): option.get("text") for option in options}
    chosen = reading.chosen(_named(word, texts, reading) for word in words)
    if chosen is not None:
        return Answer(event | chosen)
    offered = [_named(option.get("id"), texts, reading) for option in options]
    if {reading.class_of(word) for word in offered} >= set(reading.classes):
        return Answer({**event, "verdict": Verdict.NOT_A_CLASS})
    raise NotUnderstoodError(f"accepted, and nothing chosen of {shown(offered)}; answer it again")


def _named(word: Any, texts: dict[str | None, Any], reading: Reading) -> Any:
    """Give an option's text, where its id means no class and the text does."""
    text = texts.get(spelled(word))
    return text if not reading.knows(word) and reading.knows(text) else word


def _binary(record: Record, answer: str, event: dict[str, Any], reading: Reading) -> Outcome:
    view, label = str(record.get("_view_id") or ""), record.get(reading.label_field or "label")
    parts = next((part for part in _OF_PARTS if view == part or view.startswith(f"{part}_")), None)
    if parts is not None or (is_blank(label) and not is_blank(record.get("spans"))):
        raise NotUnderstoodError(
            f"it marks parts ({view or 'spans'}), and gives the whole row no class; use textcat or choice",
            Code.OTHER_ANSWER,
        )
    if is_blank(label):
        raise NotUnderstoodError(f"answer {answer}, and no label that it is about; use textcat or choice")
    if answer == IGNORE:
        # One question of several about the row, perhaps: it says nothing, not even that an earlier answer is void.
        return Skipped(BY_REVIEWER)
    chosen = reading.chosen(as_list(label)) or {}
    if answer == ACCEPT:
        return Answer(event | chosen)
    if chosen.get("verdict") != Verdict.LABEL:
        raise NotUnderstoodError(f"it rejects {shown(label)}, which is no class; say what the row is")
    return Answer(event | chosen | {"verdict": Verdict.NOT_LABEL})
