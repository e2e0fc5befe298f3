"""Label Studio's JSON: tasks with predictions out; annotations in, from the exports ``JSON`` and ``JSON-MIN``.

Everything that BeamBell needs again travels in a task's ``data``, which both exports give back; ``meta`` only one
does. A ``JSON-MIN`` export writes the task's own number over ``id`` and the answers over their controls' names, so
``data`` has none of these keys. Skipped tasks are in ``JSON`` only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from beambell.feedback.events import EVENTS_SCHEMA, Verdict
from beambell.feedback.tasks import HOW_PICKED, iter_tasks
from beambell.records.chunk import Chunk
from beambell.records.schema import Code, Reject

#: Names of the controls in the labeling interface.
LABEL, COMMENT, TEXT = "label", "comment", "text"
#: Choices beside the classes; no class can be called so.
CHOICES: Final = {"(unsure)": Verdict.UNSURE, "(none of these)": Verdict.NOT_A_CLASS}

_IN_DATA: Final = ("row_id", "stream", "text", *HOW_PICKED)
_WHILE_SHOWN: Final = ("suggestion", "confidence", "votes")
_EXCERPT: Final = 300


class _UnusableError(Exception):
    """What is wrong with a task or an annotation."""


# -- out ---------------------------------------------------------------------------------------------------------


def write_tasks(tasks: pa.Table) -> Iterator[bytes]:
    """Write tasks for Label Studio's import: one JSON array, piece by piece.

    Parameters
    ----------
    tasks
        `beambell.feedback.tasks.TASKS_SCHEMA`.
    """
    first = True
    for task in iter_tasks(tasks):
        text = json.dumps(_task(task), ensure_ascii=False, indent=1)
        yield (("[\n" if first else ",\n") + text).encode()
        first = False
    yield b"[]\n" if first else b"\n]\n"


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: task[name] for name in _IN_DATA}
    data |= {name: task[name] for name in _WHILE_SHOWN if task["votes_shown"] and task[name] is not None}
    return {"data": data, "predictions": [_prediction(task)] if task["suggestion"] is not None else []}


def _prediction(task: Mapping[str, Any]) -> dict[str, Any]:
    # Label Studio wants ids that no other result has.
    result = {
        "id": _hash([task["stream"], task["row_id"]], 16),
        "from_name": LABEL,
        "to_name": TEXT,
        "type": "choices",
        "value": {"choices": [task["suggestion"]]},
    }
    model = (task["label_model"] or "")[:12]
    return {"model_version": f"beambell-{model}", "score": task["confidence"], "result": [result]}


def labeling_config(classes: Sequence[str]) -> str:
    """Write the labeling interface, XML, that goes with the tasks: paste it into the project's settings.

    The text is shown as text, whatever markup is in it, and is never fetched from an address that it may look like.
    """
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in (*classes, *CHOICES))
    return (
        "<View>\n"
        f'  <Text name="{TEXT}" value="$text" valueType="text"/>\n'
        f'  <Choices name="{LABEL}" toName="{TEXT}" choice="single" required="true" showInline="true">\n'
        f"{choices}"
        "  </Choices>\n"
        f'  <TextArea name="{COMMENT}" toName="{TEXT}" placeholder="comment" maxSubmissions="1"/>\n'
        "</View>\n"
    )


# -- in ----------------------------------------------------------------------------------------------------------


def read_annotations(data: bytes) -> tuple[Chunk, int]:
    """Read an export: an array of tasks (``JSON``) or of annotations (``JSON-MIN``), one of them, or one per line.

    Of several annotations of one task by one annotator, the latest counts. A skipped task is ``unsure``, and so is one
    with several choices, which are in the comment. The same annotation gives the same event id from either export, so
    what is imported twice is one event.

    Returns
    -------
    chunk
        Raw events; ``lines`` are numbers of tasks from 1, and an excerpt says which annotation it was.
    unanswered
        Tasks without an annotation, and annotations without a choice.
    """
    events: list[dict[str, Any]] = []
    lines: list[int] = []
    excerpts: list[str] = []
    rejects: list[Reject] = []
    unanswered = 0
    for number, (task, damage) in enumerate(_elements(data), 1):
        if damage is not None:
            rejects.append(damage)
            continue
        try:
            answers = _latest(_annotations(task))
        except _UnusableError as error:
            rejects.append(Reject(number, Code.BAD_JSON, f"task {number}: {error}", _excerpt(task)))
            continue
        unanswered += not answers
        for annotation, data_of in answers:
            said = f"task {number}, annotation {annotation.get('id')}"
            try:
                event = _event(annotation, data_of)
            except _UnusableError as error:
                rejects.append(Reject(number, Code.BAD_VALUE, f"{said}: {error}", _excerpt(annotation)))
                continue
            if event is None:
                unanswered += 1
                continue
            events.append(event)
            lines.append(number)
            excerpts.append(f"{said}: {_excerpt(annotation)}")
    cells = {name: [event.get(name) for event in events] for name in EVENTS_SCHEMA.names}
    return Chunk(cells, lines, lambda row: excerpts[row], rejects=rejects), unanswered


def _elements(data: bytes) -> Iterator[tuple[Any, Reject | None]]:
    """Yield the elements of an array, or values one after the other, up to where the file is damaged."""
    text = data.decode("utf-8-sig", errors="replace")
    if not text.strip():
        yield None, Reject(None, Code.EMPTY_FILE, "the file is empty; export it again")
        return
    at = _skip(text, 0, "[")
    decode = json.JSONDecoder().raw_decode
    while at < len(text) and text[at] != "]":
        try:
            element, end = decode(text, at)
        except (ValueError, RecursionError) as error:
            yield None, _broken(text, at, f"not JSON from here on ({_reason(error)}); export the file again")
            return
        yield element, None
        at = _skip(text, end, ",")
    if text.lstrip().startswith("[") and at == len(text):
        yield None, _broken(text, at, "the array is not closed: the file breaks off here; export it again")


def _skip(text: str, at: int, mark: str) -> int:
    """Pass blanks, and one mark among them."""
    passed = False
    while at < len(text) and (text[at] in " \t\r\n" or (text[at] == mark and not passed)):
        passed |= text[at] == mark
        at += 1
    return at


def _broken(text: str, at: int, message: str) -> Reject:
    line = text.count("\n", 0, at) + 1
    return Reject(None, Code.TRUNCATED, f"line {line}, character {at + 1}: {message}", text[at : at + _EXCERPT])


def _reason(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(getattr(error, "msg", error))


def _annotations(task: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """List the annotations of a task, each with the task's data; ``JSON-MIN`` is brought to the form of ``JSON``."""
    if not isinstance(task, dict):
        raise _UnusableError("not an object; export as JSON or JSON-MIN")
    if "data" not in task and ("annotator" in task or "annotation_id" in task):
        return [(_from_min(task), task)]
    data, annotations = task.get("data"), task.get("annotations", task.get("completions", []))
    if not isinstance(data, dict):
        raise _UnusableError("it has no data; export as JSON or JSON-MIN")
    if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
        raise _UnusableError("its annotations are not a list of objects")
    meta = task.get("meta")
    return [(one, {**(meta if isinstance(meta, dict) else {}), **data}) for one in annotations]


def _from_min(task: Mapping[str, Any]) -> dict[str, Any]:
    """Write an annotation of ``JSON-MIN`` as ``JSON`` has it: one choice is a string there, several an object."""
    if LABEL not in task:
        raise _UnusableError(
            f"no answer under {LABEL!r}; use the labeling interface that `beambell feedback export` writes"
        )
    choices = task[LABEL]
    value = choices if isinstance(choices, dict) else {"choices": choices if isinstance(choices, list) else [choices]}
    comment = task.get(COMMENT) or []
    results = [
        {"type": "choices", "from_name": LABEL, "value": value},
        {
            "type": "textarea",
            "from_name": COMMENT,
            "value": comment if isinstance(comment, dict) else {"text": comment},
        },
    ]
    kept = {name: task.get(name) for name in ("created_at", "updated_at")}
    return {"id": task.get("annotation_id"), "completed_by": task.get("annotator"), "result": results, **kept}


def _latest(
    annotations: list[tuple[dict[str, Any], dict[str, Any]]],
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Keep each annotator's latest, in order of annotators' first."""
    latest: dict[str | None, tuple[dict[str, Any], dict[str, Any]]] = {}
    for annotation, data in annotations:
        reviewer = _reviewer(annotation.get("completed_by"))
        if reviewer not in latest or _order(annotation) >= _order(latest[reviewer][0]):
            latest[reviewer] = annotation, data
    return list(latest.values())


def _order(annotation: Mapping[str, Any]) -> tuple[str, int, str]:
    name = str(annotation.get("id"))
    return str(_time(annotation)), len(name), name


def _time(annotation: Mapping[str, Any]) -> Any:
    return annotation.get("updated_at") or annotation.get("created_at")


def _reviewer(completed_by: Any) -> str | None:
    """Name an annotator: by the e-mail address where the export has it, else by number."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    if isinstance(completed_by, bool) or not isinstance(completed_by, int | str) or completed_by == "":
        return None
    text = str(completed_by)
    return f"label-studio:{text}" if text.isdecimal() else text


def _event(annotation: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any] | None:
    verdict, label, comment = _answer(annotation)
    if verdict is None:
        return None
    event = {name: data.get(name) for name in ("row_id", "stream", *HOW_PICKED)}
    event |= {"verdict": verdict, "label": label, "comment": comment or None}
    event |= {"reviewer": _reviewer(annotation.get("completed_by")), "time": _time(annotation)}
    identity = {name: str(event[name]) for name in ("row_id", "stream", "verdict", "label", "reviewer", "time")}
    event["event_id"] = "ls-" + _hash([*identity.values(), str(annotation.get("id"))], 24)
    return event


def _hash(parts: list[str], digits: int) -> str:
    # Escaped, because half a surrogate pair is a str to JSON, and bytes to nobody.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:digits]


def _answer(annotation: Mapping[str, Any]) -> tuple[Verdict | None, str | None, str]:
    """Read verdict, label and comment; no verdict where nothing was chosen."""
    results = annotation.get("result") or []
    if not isinstance(results, list):
        raise _UnusableError("its result is not a list")
    chosen: dict[str, list[str]] = {}
    comments: list[str] = []
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict):
            raise _UnusableError("a result without a value")
        if "choices" in value:
            chosen.setdefault(str(result.get("from_name")), []).extend(_strings(value["choices"], "choices"))
        elif result.get("type") == "textarea":
            comments += _strings(value.get("text") or [], "text")
    comment = "\n".join(comments)
    if annotation.get("was_cancelled") or annotation.get("skipped"):
        return Verdict.UNSURE, None, comment
    if LABEL not in chosen and len(chosen) > 1:
        raise _UnusableError(
            f"choices under {', '.join(sorted(chosen))}; which is the label? Call that control {LABEL!r}"
        )
    choices = list(dict.fromkeys(chosen.get(LABEL) or next(iter(chosen.values()), [])))
    match choices:
        case []:
            return None, None, comment
        case [one] if one in CHOICES:
            return CHOICES[one], None, comment
        case [one]:
            return Verdict.LABEL, one, comment
        case several:
            return Verdict.UNSURE, None, "\n".join([f"chose {' and '.join(several)}", *comments])


def _strings(value: Any, what: str) -> list[str]:
    several = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in several):
        raise _UnusableError(f"its {what} are not texts")
    return several


def _excerpt(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:_EXCERPT]
