"""doccano: exports of text classification, as all its versions write them.

The old form lists annotations by user and by the number of their label, which only the project's settings name
(``--map CLASS=2``). The new one has names under ``label``, and nothing of who, and when: every user has a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from beambell.feedback.answers import (
    NOBODY,
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
    look_up,
    shown,
    spelled,
)
from beambell.feedback.tools.plain import is_taken_back
from beambell.records.schema import Code

MARKS: Final = frozenset({"annotations", "labels", "cats", "Comments", "comments", "annotation_approver", "entities"})

_SEPARATOR: Final = "#"


def tells(record: Record) -> bool:
    """Tell an example with annotations by user, or with a list of labels."""
    if isinstance(record.get("annotations"), list) and "data" not in record:
        return True
    if any(name in record for name in ("labels", "cats", "Comments", "annotation_approver", "entities")):
        return True
    return isinstance(record.get("label"), list)


def read(record: Record, reading: Reading) -> Iterator[Outcome]:
    """Read one example: an answer of each user, or the one that all users share.

    Raises
    ------
    NotUnderstoodError
        If the example marks parts of the text only, and gives the row no class.
    """
    event = reading.row_of(record)
    if is_taken_back(record):
        yield Skipped("taken back")
        return
    if isinstance(record.get("annotations"), list):
        yield from _by_user(record["annotations"], event, reading)
        return
    event |= {
        "reviewer": first_of(record, ("reviewer", "username", "user", "annotator")),
        "time": first_of(record, ("time", "updated_at", "created_at")),
        "comment": "\n".join(map(str, as_list(record.get("Comments")))) or None,
    }
    name = reading.label_field or next(
        (one for one in ("label", "labels", "cats", "label_id") if not is_blank(record.get(one))), "label"
    )
    words = [_word(one, reading) for value in as_list(look_up(record, name)) for one in _parted(value, reading)]
    comment = event.pop("comment")
    chosen = reading.chosen(words, [comment] if comment else [])
    if chosen is not None:
        yield Answer(event | chosen)
    elif not is_blank(record.get("entities")):
        raise NotUnderstoodError("it marks parts of the text (entities), and gives the row no class", Code.OTHER_ANSWER)
    else:
        yield Skipped(NOBODY)


def _by_user(annotations: list[Any], event: dict[str, Any], reading: Reading) -> Iterator[Outcome]:
    users: dict[str, list[Record]] = {}
    for one in annotations:
        if not isinstance(one, dict):
            raise NotUnderstoodError(f"its annotations hold {shown(one)}, not objects", Code.BAD_JSON)
        users.setdefault(spelled(one.get("user")) or "", []).append(one)
    if not users:
        yield Skipped(NOBODY)
    for user, mine in users.items():
        try:
            answer = reading.chosen([_number(one, reading) for one in mine])
            times = [str(time) for one in mine if (time := first_of(one, ("updated_at", "created_at"))) is not None]
            who = {
                "reviewer": f"doccano:{user}" if user.isdecimal() else user or None,
                "time": max(times, default=None),
            }
            yield Answer(event | who | answer) if answer else Skipped(NOBODY)
        except NotUnderstoodError as error:
            yield Refused(error.code, f"user {user or 'unknown'}: {error}")


def _number(annotation: Record, reading: Reading) -> Any:
    """Give the label of an annotation: a number of doccano's own, that ``--map`` has to name, or a name."""
    if is_blank(annotation.get("label")):
        raise NotUnderstoodError(
            f"an annotation without a label: {shown(annotation.get('text'))} names no class", Code.OTHER_ANSWER
        )
    label = _word(annotation["label"], reading)
    if not isinstance(label, str) and spelled(label) not in reading.theirs:
        raise NotUnderstoodError(
            f"label {shown(label)} is a number that doccano gave; {reading.fix(label)}", Code.UNKNOWN_CLASS
        )
    return label


def _word(label: Any, reading: Reading) -> Any:
    """Give the name in a label; parts of the text are the row's answer as long as they are of classes."""
    if isinstance(label, dict):
        label = first_of(label, ("label", "text", "name"))
    if isinstance(label, list):
        if len(label) != 3 or not reading.knows(label[2]):
            raise NotUnderstoodError(
                f"{shown(label)} marks a part of the text, and names none of the classes "
                f"{', '.join(reading.classes)}; {reading.fix(label[-1] if label else None)}",
                Code.OTHER_ANSWER,
            )
        return label[2]
    return label


def _parted(value: Any, reading: Reading) -> list[Any]:
    """Part what a CSV file joins; a class may have the separator in its name."""
    if not isinstance(value, str) or reading.knows(value) or _SEPARATOR not in value:
        return [value]
    return value.split(_SEPARATOR)
