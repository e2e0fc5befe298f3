"""Tasks for Label Studio, with predictions, and the labeling interface that goes with them.

Everything that BeamBell needs again travels in a task's ``data``, which all exports give back; ``meta`` only one
does. A ``JSON-MIN`` export writes the task's own number over ``id`` and the answers over their controls' names, so
``data`` has none of these keys. `beambell.feedback.tools.label_studio` reads what comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from beambell.feedback.answers import CHOICES
from beambell.feedback.tasks import HOW_PICKED, iter_tasks
from beambell.feedback.tools.label_studio import COMMENT, LABEL, short_hash

#: Name of what is shown in the labeling interface.
TEXT: Final = "text"

_IN_DATA: Final = ("row_id", "stream", "text", *HOW_PICKED)
_WHILE_SHOWN: Final = ("suggestion", "confidence", "votes")


def write_tasks(tasks: pa.Table) -> Iterator[bytes]:
    """Write tasks for Label Studio's import: one JSON array, piece by piece.

    Parameters
    ----------
    tasks
        Table of `beambell.feedback.tasks.TASKS_SCHEMA`, one row per task.
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
        "id": short_hash([task["stream"], task["row_id"]], 16),
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
