"""Records of no tool in particular: BeamBell's own columns, and columns that take an answer back."""

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
    look_up,
    shown,
    spelled,
)
from beambell.feedback.events import EVENTS_SCHEMA, Verdict


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Columns that say with true that the answer does not count, with false that it does.
FLAGS: Final = _words(
    "was_cancelled was_canceled cancelled canceled is_cancelled is_canceled skipped is_skipped was_skipped "
    "skip deleted is_deleted was_deleted discarded is_discarded was_discarded ignored is_ignored revoked "
    "is_revoked retracted is_retracted withdrawn is_withdrawn"
)
#: Columns whose words say what became of the answer.
STATES: Final = _words("answer status answer_status annotation_status label_status review_status decision")
#: Who, and when, in files of other hands; words that also name an author or the time of a text are not among them.
REVIEWERS: Final = ("reviewer", "annotator", "annotated_by", "labeled_by", "labelled_by")
TIMES: Final = ("time", "annotated_at", "labeled_at", "labelled_at")
MARKS: Final = FLAGS | STATES | {*REVIEWERS[1:], *TIMES[1:]}

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
    """Read one record; what says that its answer does not count is understood, or refused by its name."""
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
    state, words = "stands", []
    for key, value in record.items():
        name = key.lower() if isinstance(key, str) else ""
        if is_blank(value):
            continue
        if name in FLAGS:
            if _flag(key, value):
                state = "taken back"
        elif name in STATES:
            word = (spelled(value) or "").lower().replace(" ", "_")
            found = next((kind for kind, known in _KINDS.items() if word in known), None)
            if found is None and reading.knows(value) and is_blank(record.get("label")):
                words = [value]
            elif found is None:
                raise NotUnderstoodError(
                    f"{key} is {shown(value)}: does the answer count? Write accept, reject or ignore there, or leave "
                    "the column out"
                )
            elif found != "stands" and state != "taken back":
                state = found
    return state, words


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
        if isinstance(key, str) and key.lower() in FLAGS and not is_blank(value)
    )


def _flag(key: str, value: Any) -> bool:
    word = (spelled(value) or "").lower()
    if word not in _TRUE | _FALSE:
        raise NotUnderstoodError(
            f"{key} is {shown(value)}, neither true nor false; correct it, or leave the column out"
        )
    return word in _TRUE
