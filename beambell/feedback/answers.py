"""What a record of any tool says, in the words of BeamBell's events: an answer, nothing, or what is not understood.

Whatever comes in is counted as one of the three. So nothing is ever taken for no answer, or for its opposite, because
nobody knew the word for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from beambell.errors import UsageError
from beambell.feedback.events import Verdict
from beambell.feedback.tasks import HOW_PICKED
from beambell.records.schema import Code

Record: TypeAlias = Mapping[str, Any]

#: Choices beside the classes, as `beambell feedback export` offers them; no class can be called so.
CHOICES: Final = MappingProxyType({"(unsure)": Verdict.UNSURE, "(none of these)": Verdict.NOT_A_CLASS})

NOBODY: Final = "nobody has answered"
NOT_CHOSEN: Final = "nothing was chosen"
BY_REVIEWER: Final = "skipped by the reviewer"
SHOWN: Final = 80
_EXCERPT: Final = 300
#: Where tools keep what came with a task: what BeamBell needs again travels there.
_CARRIED_IN: Final = ("data", "meta", "metadata", "fields")


class NotUnderstoodError(Exception):
    """Why a record, or one answer in it, cannot be read.

    Attributes
    ----------
    code
        Kind of the reason.
    """

    def __init__(self, message: str, code: Code = Code.BAD_VALUE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said of one row.

    Attributes
    ----------
    values
        Columns of `beambell.feedback.events.EVENTS_SCHEMA`, any of them missing.
    taken_back
        Reason why the answer counts as skipped, though it is kept as ``unsure``: the reviewer saw the row and gave no
        answer, or took an earlier one back. ``None`` for all others.
    """

    values: dict[str, Any]
    taken_back: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that nobody gave an answer in."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One answer of several in a record that is not understood."""

    code: Code
    message: str


Outcome: TypeAlias = Answer | Skipped | Refused


@dataclass(frozen=True)
class Reading:
    """How the words of a file are understood.

    Attributes
    ----------
    classes
        Names of the classes.
    theirs
        Classes by the words that another tool has for them.
    id_field, label_field
        Names of the fields with the id of the row, and with the answer, if not at the usual places; ``meta.id`` is
        ``id`` in ``meta``. For Label Studio and Argilla, the name of the control or the question.
    """

    classes: tuple[str, ...]
    theirs: Mapping[str, str] = field(default_factory=dict)
    id_field: str | None = None
    label_field: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is to be understood in another way than it is written."""
        return not self.theirs and self.id_field is None and self.label_field is None

    def knows(self, word: Any) -> bool:
        """Tell whether a word means a class, or one of the ways out."""
        word = spelled(word)
        return word is not None and (word in self.theirs or word in self.classes or word in CHOICES)

    def class_of(self, word: Any) -> str:
        """Give the class that a word means; a word that means none is left as it is, to be refused by its name.

        Raises
        ------
        NotUnderstoodError
            If the word is not a text.
        """
        text = spelled(word)
        if text is None:
            raise NotUnderstoodError(f"the answer {shown(word)} is not a text; it names no class")
        return self.theirs.get(text, text)

    def fix(self, word: Any) -> str:
        """Say what to do about a word that means no class."""
        return (
            f"say which of the classes {', '.join(self.classes)} it means, with --map CLASS={spelled(word) or '...'}, "
            "or correct it"
        )

    def chosen(self, words: Iterable[Any], comments: Sequence[str] = ()) -> dict[str, Any] | None:
        """Give verdict, label and comment of what was chosen; ``None`` if that is nothing.

        Several classes on one row are ``unsure``, and stand in the comment.

        Raises
        ------
        NotUnderstoodError
            If several words are chosen, and one of them is no class.
        """
        classes = list(dict.fromkeys(self.class_of(word) for word in words))
        comment = "\n".join(comments) or None
        strange = [one for one in classes if one not in self.classes and one not in CHOICES]
        match classes:
            case []:
                return None
            case [one] if one in CHOICES and one not in self.classes:
                return {"verdict": CHOICES[one], "label": None, "comment": comment}
            case [one]:
                return {"verdict": Verdict.LABEL, "label": one, "comment": comment}
            case _ if strange:
                raise NotUnderstoodError(
                    f"{shown(strange[0])}, chosen beside others, is none of the classes {', '.join(self.classes)}; "
                    f"{self.fix(strange[0])}",
                    Code.UNKNOWN_CLASS,
                )
        several = "\n".join([f"chose {' and '.join(classes)}", *comments])
        return {"verdict": Verdict.UNSURE, "label": None, "comment": several}

    def row_of(self, record: Record, *carried: Any) -> dict[str, Any]:
        """Find the row that a record is about, and how it came to be asked.

        Parameters
        ----------
        carried
            Further places where the record carries what came with its task; the first that has something wins.
        """
        places = [record, *(place for place in carried if isinstance(place, Mapping))]
        places += [record[name] for name in _CARRIED_IN if isinstance(record.get(name), Mapping)]
        found = {name: _first(places, name) for name in ("row_id", "stream", *HOW_PICKED)}
        if self.id_field is not None:
            found["row_id"] = _first(places, self.id_field)
        return found


def read_map(pairs: Iterable[str], classes: Sequence[str]) -> dict[str, str]:
    """Read what ``--map CLASS=theirs`` says: another tool's word -> the class that it means.

    Raises
    ------
    UsageError
        If it is written in another way, names no class, or gives one word to two classes.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        # A class may have an equals sign in its name, and so may their word: the classes there are decide.
        name = max((one for one in classes if pair.startswith(f"{one}=")), key=len, default=None)
        if name is None:
            raise UsageError(
                f"--map {shown(pair)} begins with none of the classes {', '.join(classes)}",
                where="feedback import",
                fix="write --map CLASS=theirs, once for each of their words",
            )
        theirs = pair[len(name) + 1 :]
        if found.setdefault(theirs, name) != name:
            raise UsageError(
                f"--map gives {shown(theirs)} to {found[theirs]} and to {name}",
                where="feedback import",
                fix="give each of their words to one class",
            )
    return found


def spelled(word: Any) -> str | None:
    """Write a word as ``--map`` has it: a whole number without a point; ``None`` for what is no single word."""
    match word:
        case str():
            return word.strip()
        case bool():
            return "true" if word else "false"
        case float() if word.is_integer():
            return str(int(word))
        case int() | float():
            return str(word)
        case _:
            return None


def shown(value: Any) -> str:
    """Quote a value for a message, cut to a readable length."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def excerpt(value: Any) -> str:
    """Give what stood there, for the quarantine."""
    return json.dumps(value, ensure_ascii=False, default=str)[:_EXCERPT]


def is_blank(value: Any) -> bool:
    """Tell whether a cell or a value says nothing."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value or (isinstance(value, list | dict) and not value)  # noqa: PLR0124  NaN


def as_list(value: Any) -> list[Any]:
    """Give one or several as several, and nothing as none."""
    if is_blank(value):
        return []
    return value if isinstance(value, list) else [value]


def _first(places: Sequence[Record], name: str) -> Any:
    return next((found for place in places if not is_blank(found := look_up(place, name))), None)


def look_up(place: Record, name: str) -> Any:
    """Find a value by its key, or by the keys that lead to it with dots between them."""
    if name in place:
        return place[name]
    head, dot, rest = name.partition(".")
    inner = place.get(head) if dot else None
    return look_up(inner, rest) if isinstance(inner, Mapping) else None


def first_of(record: Record, names: Iterable[str]) -> Any:
    """Give the first of some values that says something."""
    return next((record[name] for name in names if not is_blank(record.get(name))), None)


def each_of(found: Iterable[Any]) -> Iterator[Any]:
    """Give each value once, in order, unhashable ones included."""
    seen: set[str] = set()
    for value in found:
        key = json.dumps(value, sort_keys=True, default=str)
        if key not in seen:
            seen.add(key)
            yield value
