"""Events of feedback: the good ones are kept, whatever their company; the others are set aside with a reason."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import UsageError
from beambell.feedback.events import EVENTS_SCHEMA, Verdict, check_events, make_event
from beambell.records import Code
from beambell.records.chunk import Chunk

CLASSES = ["ham", "spam"]
GOOD = {
    "row_id": "r1",
    "stream": "s",
    "label": "spam",
    "reviewer": "ada",
    "time": "2026-01-03T07:15:00Z",
}
WRONG = [
    ({"label": "egg"}, Code.UNKNOWN_CLASS, "none of the classes ham, spam"),
    ({"label": None}, Code.BAD_VALUE, "no verdict and no label"),
    ({"label": None, "verdict": "label"}, Code.BAD_VALUE, "no label with verdict label"),
    ({"verdict": "perhaps"}, Code.BAD_VALUE, "none of label, unsure"),
    ({"verdict": "unsure"}, Code.BAD_VALUE, "a label only goes with verdict label"),
    ({"label": None, "verdict": "lf_wrong"}, Code.BAD_VALUE, "no lf with verdict lf_wrong and lf_right"),
    ({"label": None, "verdict": "withdrawn"}, Code.BAD_VALUE, "no withdraws"),
    ({"row_id": ""}, Code.NO_ID, "no row_id"),
    ({"row_id": [1]}, Code.BAD_VALUE, "not a single value"),
    ({"stream": None}, Code.NO_ID, "no stream"),
    ({"stream": "../up"}, Code.BAD_VALUE, "cannot be a stream's name"),
    ({"reviewer": None}, Code.NO_ID, "no reviewer"),
    ({"time": None}, Code.NO_TIME, "no time"),
    ({"time": "yesterday"}, Code.BAD_TIME, "'yesterday' is not a time"),
    ({"probability": "0"}, Code.BAD_VALUE, "above 0"),
    ({"probability": "half"}, Code.BAD_VALUE, "not a finite number"),
    ({"random_share": 1.5}, Code.BAD_VALUE, "between 0 and 1"),
    ({"votes_shown": "maybe"}, Code.BAD_VALUE, "not true, false"),
]


def _chunk(*events: dict[str, Any]) -> Chunk:
    columns = dict.fromkeys(name for event in events for name in event)
    return Chunk({name: [event.get(name) for event in events] for name in columns}, range(1, len(events) + 1))


@pytest.mark.parametrize(("change", "code", "message"), WRONG)
def test_a_bad_event_loses_only_itself(change: dict[str, Any], code: Code, message: str) -> None:
    checked = check_events(_chunk(GOOD, GOOD | change, GOOD | {"row_id": "r2"}), classes=CLASSES)
    assert checked.events["row_id"].to_pylist() == ["r1", "r2"]
    (reject,) = checked.rejects
    assert (reject.line, reject.code) == (2, code)
    assert message in reject.message


def test_what_is_filled_in_says_the_verdict() -> None:
    withdrawal = {"withdraws": "e1", "reviewer": "ada", "time": 1767424500}
    checked = check_events(_chunk(GOOD, withdrawal, GOOD | {"label": None, "verdict": " UNSURE "}), classes=CLASSES)
    assert checked.events["verdict"].to_pylist() == [Verdict.LABEL, Verdict.WITHDRAWN, Verdict.UNSURE]
    assert checked.events.schema == EVENTS_SCHEMA
    assert not checked.rejects


def test_empty_cells_mean_what_the_caller_says() -> None:
    bare = GOOD | {"reviewer": "", "stream": None, "time": None}
    defaults = {"reviewer": "bob", "time": "2026-01-03"}
    checked = check_events(_chunk(bare, GOOD), classes=CLASSES, streams=["only"], defaults=defaults)
    assert checked.events["reviewer"].to_pylist() == ["bob", "ada"]
    assert checked.events["stream"].to_pylist() == ["only", "s"]


def test_an_empty_file_is_no_error() -> None:
    checked = check_events(pa.table({}), classes=CLASSES)
    assert checked.events.schema == EVENTS_SCHEMA
    assert checked.events.num_rows == 0


@given(st.lists(st.sampled_from([GOOD, *(GOOD | change for change, _, _ in WRONG)])))
def test_every_event_is_accounted_for(events: list[dict[str, Any]]) -> None:
    checked = check_events(_chunk(*events), classes=CLASSES)
    assert checked.events.num_rows == events.count(GOOD)
    assert [reject.line for reject in checked.rejects] == [i + 1 for i, e in enumerate(events) if e != GOOD]


def test_an_event_has_the_id_of_what_it_says() -> None:
    """Whatever format, type of cell or spelling of the time it came with; and another id if it says anything else."""
    (text,) = check_events(_chunk(GOOD), classes=CLASSES).events["event_id"].to_pylist()
    table = pa.table({name: pa.array([value]).dictionary_encode() for name, value in GOOD.items()})
    (typed,) = check_events(table, classes=CLASSES).events["event_id"].to_pylist()
    (epoch,) = check_events(_chunk(GOOD | {"time": 1767424500, "verdict": "label"}), classes=CLASSES).events["event_id"]
    assert text == typed == epoch.as_py()
    others = [{"reviewer": "bob"}, {"comment": "!"}, {"picked_by": "random"}, {"votes_shown": True}, {"label": "ham"}]
    ids = check_events(_chunk(GOOD, *(GOOD | other for other in others)), classes=CLASSES).events["event_id"]
    assert len(set(ids.to_pylist())) == 1 + len(others)


def test_one_event_by_hand_is_right_or_raises() -> None:
    assert make_event(CLASSES, ["s"], **GOOD).num_rows == 1
    with pytest.raises(UsageError, match="no time"):
        make_event(CLASSES, ["s"], **(GOOD | {"time": None}))
