"""Label Studio: exports ``JSON`` and ``JSON-MIN``, CSV and TSV, annotations in cloud storage, and webhooks.

An annotation is the work of one annotator on one task: a list of results, each of a control of the labeling interface.
Predictions and drafts are nobody's answer. All exports are brought to the form of ``JSON``; the same annotation gives
the same event id from any of them, so what is imported twice is one event.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from beambell.feedback.answers import (
    BY_REVIEWER,
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
    each_of,
    is_blank,
    shown,
)
from beambell.feedback.events import Verdict
from beambell.feedback.tasks import HOW_PICKED
from beambell.feedback.tools.plain import FLAGS, column, is_taken_back
from beambell.records.schema import Code

#: Names of the controls in the labeling interface that `beambell feedback export` writes.
LABEL, COMMENT = "label", "comment"
MARKS: Final = frozenset(
    {"annotations", "completions", "annotator", "annotation_id", "result", "action", "drafts", "predictions"}
)

_TAKEN_IN: Final = frozenset({"ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED", "ANNOTATIONS_UPDATED"})
_DELETED: Final = frozenset({"ANNOTATION_DELETED", "ANNOTATIONS_DELETED"})
_CLASSES_IN: Final = ("choices", "taxonomy")
#: What a result that names no class holds, by the name of its control's tag.
_NO_CLASS_IN: Final = ("rating", "number", "selected", "text", "datetime", "ranker")
_OF_MIN: Final = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"})
_KEPT: Final = frozenset({"created_at", "updated_at", "reviews", "last_action"})
_IN_REVIEW: Final = "rejected in review"
_SHOWN_WITH: Final = frozenset({"row_id", "stream", "text", "suggestion", "confidence", "votes", *HOW_PICKED})


def tells(record: Record) -> bool:
    """Tell a task, an annotation, a webhook's payload, or a line of ``JSON-MIN`` or CSV."""
    if isinstance(record.get("action"), str) and ("annotation" in record or "project" in record):
        return True
    if "data" in record and ("annotations" in record or "completions" in record):
        return True
    if isinstance(record.get("data"), dict) and ("drafts" in record or "predictions" in record):
        return True
    if "result" in record and ("completed_by" in record or "task" in record):
        return True
    return "annotation_id" in record or ("annotator" in record and "lead_time" in record)


def read(record: Record, reading: Reading) -> Iterator[Outcome]:
    """Read one record: a task is as many answers as it has annotators, each annotator's latest."""
    annotations = list(_annotations(record, reading))
    if not annotations:
        only = "only a draft" if record.get("drafts") else NOBODY
        yield Skipped(only)
        return
    latest, earlier = _latest(annotations)
    for _ in range(earlier):
        yield Skipped("replaced by a later one of its annotator")
    for annotation, carried in latest:
        try:
            yield _outcome(annotation, carried, reading)
        except NotUnderstoodError as error:
            yield Refused(error.code, f"annotation {annotation.get('id')}: {error}")


# -- all exports in one form ---------------------------------------------------------------------------------------

Given = tuple[Record, Record]
"""An annotation, and what its task carries."""


def _annotations(record: Record, reading: Reading) -> Iterator[Given]:
    if "action" in record:
        yield from _of_webhook(record)
    elif "data" in record:
        data, annotations = record["data"], record.get("annotations", record.get("completions"))
        annotations = [] if annotations is None else annotations
        if not isinstance(data, dict):
            raise NotUnderstoodError("its data is not an object; export as JSON or JSON-MIN", Code.BAD_JSON)
        if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
            raise NotUnderstoodError("its annotations are not a list of objects", Code.BAD_JSON)
        carried = _carried(record)
        yield from ((one, carried) for one in annotations)
    elif "result" in record:
        yield record, _carried(record.get("task"))
    else:
        yield _from_min(record, reading), record


def _of_webhook(record: Record) -> Iterator[Given]:
    action = record["action"]
    if action in _DELETED:
        raise NotUnderstoodError(
            f"{action} takes an answer back; withdraw it with `beambell feedback add --withdraw EVENT_ID`"
        )
    if action not in _TAKEN_IN:
        if "annotation" in record:
            raise NotUnderstoodError(f"the webhook's action {shown(action)} is not known; export the task instead")
        return
    for annotation in as_list(record.get("annotation")):
        if not isinstance(annotation, dict):
            raise NotUnderstoodError("its annotation is not an object", Code.BAD_JSON)
        yield annotation, _carried(_task_of(annotation, record.get("task")))


def _task_of(annotation: Record, beside: Any) -> Any:
    """Give the task of an annotation: in it, or beside it, of several the one of its number."""
    task = annotation.get("task")
    if isinstance(task, dict):
        return task
    if isinstance(beside, list):
        return next((one for one in beside if isinstance(one, dict) and one.get("id") == task), task)
    return beside


def _carried(task: Any) -> Record:
    """Give what a task carries; some exports name it by its number alone."""
    if not isinstance(task, dict):
        raise NotUnderstoodError(
            f"it names its task by the number {shown(task)} only, and so no row; export as JSON, or switch on "
            "sending the task with the annotation",
            Code.NO_ID,
        )
    data, meta = task.get("data"), task.get("meta")
    meta, data = (place if isinstance(place, dict) else {} for place in (meta, data))
    # Both at once, and each under its own name, as --id-field may say.
    return {"meta": meta, "data": data, **meta, **data}


def _from_min(task: Record, reading: Reading) -> Record:
    """Write a record of ``JSON-MIN`` or CSV as ``JSON`` has it: one choice is a string there, several an object."""
    name = reading.label_field or (LABEL if LABEL in task else _only_control(task, reading))
    results = [_result(name, value) for value in as_list(_decoded(task.get(name)))]
    if COMMENT not in (name, reading.id_field):
        results += [{"type": "textarea", "from_name": COMMENT, "value": value if isinstance(value, dict) else
                     {"text": value}} for value in as_list(_decoded(task.get(COMMENT)))]  # fmt: skip
    kept = {key: task[key] for key in task if key in _KEPT or column(key) in FLAGS}
    return {"id": task.get("annotation_id"), "completed_by": task.get("annotator"), "result": results, **kept}


def _only_control(task: Record, reading: Reading) -> str:
    """Find the control that has the answer: what no field of a task looks like."""
    names = [name for name in task if name not in _OF_MIN and name not in _SHOWN_WITH and name != COMMENT]
    found = [name for name in names if any(map(_is_result, as_list(_decoded(task[name]))))]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotUnderstoodError(
            f"answers under {', '.join(found)}; which is the label? Say it with --label-field, or call that control "
            f"{LABEL!r}"
        )
    words = [name for name in names if isinstance(task[name], str) and reading.knows(task[name])]
    which = f", such as {words[0]}" if words else ""
    raise NotUnderstoodError(
        f"no answer under {LABEL!r}; name the control that has it with --label-field{which}, or use the labeling "
        "interface that `beambell feedback export` writes"
    )


def _decoded(value: Any) -> Any:
    """Read what a cell of CSV holds in JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _is_result(value: Any) -> bool:
    return isinstance(value, dict) and any(
        key in _CLASSES_IN or key in _NO_CLASS_IN or key.endswith("labels") for key in value
    )


def _result(name: str, value: Any) -> Record:
    if isinstance(value, dict):
        kind = next((key for key in value if key in (*_CLASSES_IN, *_NO_CLASS_IN) or key.endswith("labels")), "choices")
        return {"type": "pairwise" if kind == "selected" else kind, "from_name": name, "value": value}
    return {"type": "choices", "from_name": name, "value": {"choices": [value]}}


def _latest(annotations: Iterable[Given]) -> tuple[list[Given], int]:
    """Keep each annotator's latest, in order of annotators' first; and say how many there were before."""
    latest: dict[str | None, Given] = {}
    earlier = 0
    for annotation, carried in annotations:
        reviewer = _reviewer(annotation.get("completed_by"))
        if reviewer in latest:
            earlier += 1
        if reviewer not in latest or _order(annotation) >= _order(latest[reviewer][0]):
            latest[reviewer] = annotation, carried
    return list(latest.values()), earlier


def _order(annotation: Record) -> tuple[str, int, str]:
    name = str(annotation.get("id"))
    return str(_time(annotation)), len(name), name


def _time(annotation: Record) -> Any:
    return annotation.get("updated_at") or annotation.get("created_at")


def _reviewer(completed_by: Any) -> str | None:
    """Name an annotator: by the e-mail address where the export has it, else by number."""
    if isinstance(completed_by, Mapping):
        completed_by = completed_by.get("email") or completed_by.get("username") or completed_by.get("id")
    if isinstance(completed_by, bool) or not isinstance(completed_by, int | str) or completed_by == "":
        return None
    text = str(completed_by)
    return f"label-studio:{text}" if text.isdecimal() else text


# -- what an annotation says ---------------------------------------------------------------------------------------


def _outcome(annotation: Record, carried: Record, reading: Reading) -> Outcome:
    taken_back = BY_REVIEWER if is_taken_back(annotation) else _IN_REVIEW if _is_rejected(annotation) else None
    answer = _unsure(annotation) if taken_back else _answer(annotation, reading)
    if answer is None:
        return Skipped(NOT_CHOSEN)
    event = reading.row_of({}, carried) | answer
    event |= {"reviewer": _reviewer(annotation.get("completed_by")), "time": _time(annotation)}
    identity = {name: str(event[name]) for name in ("row_id", "stream", "verdict", "label", "reviewer", "time")}
    event["event_id"] = "ls-" + short_hash([*identity.values(), str(annotation.get("id"))], 24)
    return Answer(event, taken_back=taken_back)


def _is_rejected(annotation: Record) -> bool:
    """Tell whether the last that a reviewer of annotations said of it is that it is wrong."""
    if not is_blank(annotation.get("last_action")):
        return bool(annotation["last_action"] == "rejected")
    reviews = [one for one in as_list(annotation.get("reviews")) if isinstance(one, dict)]
    in_order = sorted(reviews, key=lambda one: str(one.get("created_at") or ""))
    return bool(in_order) and in_order[-1].get("accepted") is False


def _unsure(annotation: Record) -> dict[str, Any]:
    texts = [one["value"].get("text") for one in _results(annotation) if isinstance(one.get("value"), dict)]
    comments = [text for value in texts for text in as_list(value) if isinstance(text, str)]
    return {"verdict": Verdict.UNSURE, "label": None, "comment": "\n".join(comments) or None}


def short_hash(parts: list[str], digits: int) -> str:
    """Hash texts to some hexadecimal digits."""
    # Escaped, because half a surrogate pair is a str to JSON, and bytes to nobody.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:digits]


def _answer(annotation: Record, reading: Reading) -> dict[str, Any] | None:
    """Read verdict, label and comment; ``None`` where nothing was chosen."""
    found = _Found()
    for result in _results(annotation):
        kind, name, value = str(result.get("type") or ""), str(result.get("from_name")), result.get("value")
        if kind == "relation":
            found.others.append((name, kind, None))
            continue
        if not isinstance(value, dict):
            raise NotUnderstoodError("a result without a value")
        words = _words(kind, value, reading)
        if words is not None:
            found.chosen.setdefault(name, []).extend(words)
            found.parts |= {name} if kind.endswith("labels") or "start" in value else set()
        elif kind == "textarea":
            texts = _strings(value.get("text") or [], "text")
            found.comments += texts
            if name != COMMENT:
                found.others += [(name, kind, text) for text in texts]
        else:
            found.others.append((name, kind or next(iter(value), "result"), _plain_value(kind, value)))
    return found.answer(reading)


def _results(annotation: Record) -> list[Record]:
    results = annotation.get("result") or []
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise NotUnderstoodError("its result is not a list of objects", Code.BAD_JSON)
    return results


@dataclass
class _Found:
    """What the controls of one annotation hold.

    Attributes
    ----------
    chosen
        Control -> what was chosen of names.
    parts
        Names of the controls that label parts of the text.
    others
        Name, kind and value of controls that choose no name.
    comments
        Free text.
    """

    chosen: dict[str, list[Any]] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)
    others: list[tuple[str, str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def answer(self, reading: Reading) -> dict[str, Any] | None:
        """Choose the control that has the answer, and read it."""
        label = reading.label_field or LABEL
        if label not in self.chosen and len(self.chosen) > 1:
            raise NotUnderstoodError(
                f"choices under {', '.join(sorted(self.chosen))}; which is the label? Say it with --label-field, or "
                f"call that control {LABEL!r}"
            )
        name = label if label in self.chosen else next(iter(self.chosen), label)
        words = self.chosen.get(name, [])
        if name in self.parts and len({reading.class_of(word) for word in words}) > 1:
            raise NotUnderstoodError(
                f"its parts are of the classes {', '.join(each_of(map(reading.class_of, words)))}, and the row is of "
                "one; use a control for the whole text",
                Code.OTHER_ANSWER,
            )
        if words or self.chosen:
            return reading.chosen(words, self.comments)
        return self._of_others(reading)

    def _of_others(self, reading: Reading) -> dict[str, Any] | None:
        """Read what names no class by itself, and may by ``--map``."""
        known = [(kind, value) for _, kind, value in self.others if reading.knows(value)]
        if known:
            texts = {value for kind, value in known if kind == "textarea"}
            return reading.chosen([value for _, value in known], [one for one in self.comments if one not in texts])
        for name, kind, value in self.others:
            raise NotUnderstoodError(
                f"the control {name!r} is a {kind} with {shown(value)}, which names no class; {reading.fix(value)}",
                Code.OTHER_ANSWER,
            )
        return None


def _words(kind: str, value: Record, reading: Reading) -> list[Any] | None:
    """Give what was chosen, where a result chooses among names; ``None`` where it does not."""
    if "choices" in value:
        return _strings(value["choices"], "choices")
    if "taxonomy" in value:
        return [_of_path(path, reading) for path in as_list(value["taxonomy"])]
    for key in value:
        if key == kind and key.endswith("labels"):
            return _of_spans(_strings(value[key], key), kind, reading)
    return None


def _of_path(path: Any, reading: Reading) -> str:
    """Give the class that a path of a taxonomy means: its deepest level that is one, or the whole path by ``--map``."""
    levels = _strings(path, "taxonomy")
    whole = [" > ".join(levels), "/".join(levels)]
    for word in (*whole, *reversed(levels)):
        if reading.knows(word):
            return word
    if not levels:
        raise NotUnderstoodError("an empty path of a taxonomy")
    raise NotUnderstoodError(
        f"no level of {shown(whole[0])} is one of the classes {', '.join(reading.classes)}; {reading.fix(levels[-1])}",
        Code.UNKNOWN_CLASS,
    )


def _of_spans(words: list[str], kind: str, reading: Reading) -> list[str]:
    """Give the labels of a part of the text; they are all of the row's answer, if they are of one class."""
    for word in words:
        if not reading.knows(word):
            raise NotUnderstoodError(
                f"{kind} name {shown(word)}, none of the classes {', '.join(reading.classes)}; {reading.fix(word)}",
                Code.UNKNOWN_CLASS,
            )
    return words


def _plain_value(kind: str, value: Record) -> Any:
    for key in (kind, *_NO_CLASS_IN):
        if key in value:
            return value[key]
    return dict(value)


def _strings(value: Any, what: str) -> list[str]:
    several = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in several):
        raise NotUnderstoodError(f"its {what} are not texts, but {shown(value)}")
    return [one for one in several if not is_blank(one)]
