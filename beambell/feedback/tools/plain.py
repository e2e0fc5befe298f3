"""Records of no tool in particular: BeamBell's own columns, and columns that take an answer back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
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
    look_up,
    shown,
    spelled,
)
from beambell.feedback.events import EVENTS_SCHEMA, Verdict


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@lru_cache(maxsize=4096)
def column(name: str) -> str:
    """Write a column's name in one way, however it is capitalised and joined: ``wasCancelled`` is ``was_cancelled``."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^\w]+", "_", parted).lower()


def _asked_of(words: str) -> frozenset[str]:
    """Give the names of columns that answer with yes or no."""
    return frozenset(f"{before}{word}" for word in _words(words) for before in ("", "is_", "was_"))


#: Columns that say with true that the answer does not count, with false that it does.
FLAGS: Final = _asked_of(
    "cancelled canceled skipped skip deleted discarded ignored revoked retracted withdrawn removed superseded"
)
#: Those that say with true that the row is not of that class.
_REFUSALS: Final = _asked_of("rejected")
#: Those that say with true that the answer counts. With false, nobody knows: it may be wrong, or not looked at yet.
_CONSENTS: Final = _asked_of("accepted approved valid validated verified confirmed correct")
#: Columns whose words say what became of the answer.
STATES: Final = _words("answer decision status") | {
    f"{what}_{word}" for what in _words("answer annotation label response review task") for word in ("status", "state")
}
#: Columns that may speak of something else: only words that take an answer back are understood there.
_OFTEN_STATES: Final = _words("state final_status outcome resolution review review_result review_decision")
#: Who, and when, in files of other hands; words that also name an author or the time of a text are not among them.
REVIEWERS: Final = ("reviewer", "annotator", "annotated_by", "labeled_by", "labelled_by")
TIMES: Final = ("time", "annotated_at", "labeled_at", "labelled_at")
MARKS: Final = FLAGS | _REFUSALS | _CONSENTS | STATES | _OFTEN_STATES | {*REVIEWERS[1:], *TIMES[1:]}

_STANDS: Final = _words(
    "accept accepted approve approved submit submitted validated complete completed done finished confirmed "
    "annotated labeled labelled"
)
_REJECTS: Final = _words("reject rejected")
_TAKES_BACK: Final = _words(
    "ignore ignored skip skipped discard discarded cancel cancelled canceled delete deleted retracted revoked withdrawn"
)
_NOT_YET: Final = _words("draft drafted pending default unlabeled unlabelled todo in_progress new")
_TRUE: Final = frozenset({"true", "1", "yes", "y", "t"})
_FALSE: Final = frozenset({"false", "0", "no", "n", "f"})
_ASKED: Final = ("picked_by", "probability")


def tells(_record: Record) -> bool:
    """Take whatever no tool knows."""
    return True


def read(record: Record, reading: Reading) -> Iterator[Outcome]:
    """Read one record; what says that its answer does not count is understood, or refused by its name.

    Raises
    ------
    NotUnderstoodError
        If an answer that names no class was rejected.
    """
    said = {name: value for name in EVENTS_SCHEMA.names if not is_blank(value := record.get(name))}
    said |= {name: value for name, value in reading.row_of(record).items() if value is not None}
    for name, names in (("reviewer", REVIEWERS), ("time", TIMES)):
        if (value := first_of(record, names)) is not None:
            said[name] = value
    state, words = _state(record, reading)
    if reading.label_field:
        words = as_list(look_up(record, reading.label_field))
    elif not is_blank(record.get("label")):
        words = as_list(record["label"])
    if _says_itself(said) and state not in ("taken back", "not yet"):
        if state == "rejected":
            raise NotUnderstoodError("a rejected answer that is no class; say what the row is")
        yield Answer(said | ({"label": reading.class_of(words[0])} if len(words) == 1 else {}))
        return
    yield _outcome(said, words, state, reading, asked=any(not is_blank(record.get(name)) for name in _ASKED))


def _says_itself(said: Record) -> bool:
    """Tell whether it is one of BeamBell's own answers, other than that of a class."""
    return any(name in said for name in ("withdraws", "lf")) or spelled(said.get("verdict")) not in (
        None,
        Verdict.LABEL,
    )


def _outcome(said: dict[str, Any], words: list[Any], state: str, reading: Reading, *, asked: bool) -> Outcome:
    comment = [said["comment"]] if isinstance(said.get("comment"), str) else []
    answer = reading.chosen(words, comment) if state in ("stands", "rejected") else None
    if state == "taken back":
        return Answer({**said, "verdict": Verdict.UNSURE, "label": None}, taken_back=BY_REVIEWER)
    if state == "not yet":
        return Skipped("not answered yet, says its status")
    if answer is None:
        return Skipped(NOBODY) if asked else Answer({**said, "label": None})
    if state == "rejected":
        return Answer(said | rejected(answer))
    return Answer(said | answer)


def rejected(answer: dict[str, Any]) -> dict[str, Any]:
    """Turn the answer that a row is of a class into the one that it is not.

    Raises
    ------
    NotUnderstoodError
        If it is no class.
    """
    if answer["verdict"] is not Verdict.LABEL:
        raise NotUnderstoodError("what was rejected is no class; say what the row is")
    return answer | {"verdict": Verdict.NOT_LABEL}


def _state(record: Record, reading: Reading) -> tuple[str, list[Any]]:
    """Say what became of an answer, by all columns that speak of it; and the class, where such a column names it."""
    said, words = {"stands"}, []
    for key, value in record.items():
        name = column(key) if isinstance(key, str) else ""
        if is_blank(value):
            continue
        if name in STATES and _kind_of(value) is None and reading.knows(value) and is_blank(record.get("label")):
            words = [value]
        else:
            said.add(_said_by(name, key, value))
    return next(kind for kind in ("taken back", "not yet", "rejected", "stands") if kind in said), words


def _said_by(name: str, key: str, value: Any) -> str:
    """Say what became of an answer, by one column."""
    if name in FLAGS:
        return "taken back" if _flag(key, value) else "stands"
    if name in _REFUSALS:
        return "rejected" if _flag(key, value) else "stands"
    kind = _kind_of(value)
    if name in _OFTEN_STATES:
        return kind if kind in ("rejected", "taken back") else "stands"
    if name in STATES and kind is not None:
        return kind
    if name in STATES or (name in _CONSENTS and not _flag(key, value)):
        raise NotUnderstoodError(
            f"{key} is {shown(value)}: does the answer count? Write accept, reject or ignore in a column `answer`, and "
            f"leave {key} out, or correct it"
        )
    return "stands"


def _kind_of(value: Any) -> str | None:
    word = (spelled(value) or "").lower().replace(" ", "_")
    return next((kind for kind, known in _KINDS.items() if word in known), None)


_KINDS: Final = {"stands": _STANDS, "rejected": _REJECTS, "taken back": _TAKES_BACK, "not yet": _NOT_YET}


def is_taken_back(record: Record) -> bool:
    """Tell whether a flag of a record says that its answer does not count.

    Raises
    ------
    NotUnderstoodError
        If a flag is neither true nor false.
    """
    return any(
        _flag(key, value)
        for key, value in record.items()
        if isinstance(key, str) and column(key) in FLAGS and not is_blank(value)
    )


def _flag(key: str, value: Any) -> bool:
    word = (spelled(value) or "").lower()
    if word not in _TRUE | _FALSE:
        raise NotUnderstoodError(
            f"{key} is {shown(value)}, neither true nor false; correct it, or leave the column out"
        )
    return word in _TRUE
