"""Events of feedback: what a person said of one row, when, and how the row came to be asked.

An event never changes. Whoever thinks again sends another event, and whoever did not mean it withdraws the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from beambell.config import NAME_PATTERN
from beambell.errors import UsageError
from beambell.records.cells import ID, KINDS, Kind, convert
from beambell.records.chunk import Cells, Chunk, Faults
from beambell.records.identity import content_ids
from beambell.records.schema import Code, Reject, readable
from beambell.records.times import TIME


class Verdict(StrEnum):
    """What was said.

    Attributes
    ----------
    LABEL
        The row is of the class in ``label``.
    UNSURE
        The reviewer looked, and cannot tell.
    NOT_A_CLASS
        The row is of none of the classes.
    NOT_LABEL
        The row is not of the class in ``label``; of which it is, or of none, is not said.
    LF_WRONG, LF_RIGHT
        The vote of the labeling function in ``lf`` is wrong, or right, on this row.
    WITHDRAWN
        The event in ``withdraws`` is taken back.
    """

    LABEL = "label"
    UNSURE = "unsure"
    NOT_A_CLASS = "not_a_class"
    NOT_LABEL = "not_label"
    LF_WRONG = "lf_wrong"
    LF_RIGHT = "lf_right"
    WITHDRAWN = "withdrawn"


#: One row per event. What may be null, is where nothing was said of it; a withdrawal needs no row and no stream.
EVENTS_SCHEMA: Final = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("row_id", pa.string()),
        pa.field("stream", pa.string()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("lf", pa.string()),
        pa.field("withdraws", pa.string()),
        pa.field("reviewer", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("comment", pa.string()),
        pa.field("picked_by", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("random_share", pa.float64()),
        pa.field("votes_shown", pa.bool_()),
    ]
)

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(EVENTS_SCHEMA.names, KINDS["string"]),
    **dict.fromkeys(("event_id", "row_id", "withdraws"), ID),
    "time": TIME,
    "probability": KINDS["float"],
    "random_share": KINDS["float"],
    "votes_shown": KINDS["bool"],
}
#: What each verdict has to come with; a column of these three that it does not need must be empty.
_NEEDS: Final = {
    Verdict.LABEL: "label",
    Verdict.NOT_LABEL: "label",
    Verdict.LF_WRONG: "lf",
    Verdict.LF_RIGHT: "lf",
    Verdict.WITHDRAWN: "withdraws",
}


CountedBy = Literal["line", "record"]
"""What the numbers of records count: lines of a file, or records of an array."""


@dataclass(frozen=True)
class CheckedEvents:
    """Raw events, parted.

    Attributes
    ----------
    events
        The good ones, `EVENTS_SCHEMA`, in the order they came.
    rejects
        The others: where, why and what to do; with ``line`` None, a remark on the whole file.
    skipped
        Number of records without an answer, by reason.
    taken_back
        Number of ``events`` of records where the reviewer looked at the row and gave no answer.
    counted_by
        Unit of the numbers of rejects.
    """

    events: pa.Table
    rejects: list[Reject]
    skipped: Counter[str] = field(default_factory=Counter)
    taken_back: int = 0
    counted_by: CountedBy = "line"


def check_events(
    raw: Chunk | pa.Table,
    *,
    classes: Sequence[str],
    streams: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
    latest: datetime | None = None,
) -> CheckedEvents:
    """Part raw events into good ones and rejects.

    Parameters
    ----------
    raw
        Columns of `EVENTS_SCHEMA`, any of them missing, of any type that says the same (text for times and numbers);
        others are ignored. Of a `pyarrow.Table`, rows are numbered from 1 in messages.
    classes
        Names of the classes; no other label is taken.
    streams
        Names of the project's streams: an event without a stream is of the only one, if there is only one. Events of
        further streams are good: their rows may come later.
    defaults
        Column -> what an empty cell of it means, such as the reviewer of the whole file.
    latest
        The last moment at which anybody can have said anything; a later time is not understood.

    Notes
    -----
    Empty text counts as null. Without a verdict, what is filled in says it: a label, or an event to withdraw. An
    event without an id gets the hash of what it says, so the same event has the same id whichever way it comes.
    """
    chunk = raw if isinstance(raw, Chunk) else _as_chunk(raw)
    faults = chunk.faults
    columns = _typed(chunk, faults, dict(defaults or {}))
    n = len(columns["row_id"])
    if len(streams) == 1:
        columns["stream"] = pc.fill_null(columns["stream"], streams[0])
    columns["verdict"] = _verdicts(columns)
    _judge(columns, classes, faults)
    _judge_times(columns["time"], latest, faults)
    good = pa.table(columns).select(EVENTS_SCHEMA.names).filter(faults.good_rows(n))
    given = good["event_id"].combine_chunks()
    if given.null_count:
        good = good.set_column(0, "event_id", pc.coalesce(given, _hashes(good)))
    rejects = list(chunk.rejects)
    for row, (code, message) in sorted(faults.by_row.items()):
        rejects.append(Reject(chunk.lines[row], code, message, chunk.excerpt(row)))
    return CheckedEvents(good.cast(EVENTS_SCHEMA), rejects)


def make_event(classes: Sequence[str], streams: Sequence[str], **values: Any) -> pa.Table:
    """Make one event of what was said.

    Raises
    ------
    UsageError
        If something is missing, or wrong.
    """
    checked = check_events(
        Chunk({name: [value] for name, value in values.items()}, [1]), classes=classes, streams=streams
    )
    if checked.rejects:
        message, _, fix = checked.rejects[0].message.partition("; ")
        raise UsageError(message, where="feedback", fix=fix or None)
    return checked.events


def _as_chunk(table: pa.Table) -> Chunk:
    columns = {name: table[name].combine_chunks() for name in table.column_names if name in _KINDS}

    def excerpt(row: int) -> str:
        values = {name: column[row].as_py() for name, column in columns.items()}
        return ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)

    return Chunk(columns, range(1, table.num_rows + 1), excerpt)


def _typed(chunk: Chunk, faults: Faults, defaults: dict[str, Any]) -> dict[str, pa.Array]:
    n, columns = len(chunk.lines), {}
    for name, kind in _KINDS.items():
        cells: Cells = chunk.cells.get(name, pa.nulls(n))
        column = convert(cells, kind, name, faults)
        if pa.types.is_string(column.type):
            if name in ("verdict", "label"):
                column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        if name in defaults and column.null_count:
            default = convert([defaults[name]], kind, name, Faults())
            column = pc.fill_null(column, default[0]) if default[0].is_valid else column
        columns[name] = column
    return columns


def _verdicts(columns: Mapping[str, pa.Array]) -> pa.Array:
    lower = pc.utf8_lower(columns["verdict"])
    of_label = pc.if_else(columns["label"].is_valid(), Verdict.LABEL, pa.scalar(None, pa.string()))
    return pc.coalesce(lower, pc.if_else(columns["withdraws"].is_valid(), Verdict.WITHDRAWN, of_label))


def _judge(columns: Mapping[str, pa.Array], classes: Sequence[str], faults: Faults) -> None:
    verdict, label = columns["verdict"], columns["label"]
    known = ", ".join(Verdict)
    faults.add_where(verdict.is_null(), Code.BAD_VALUE, f"no verdict and no label; write one of {known}")
    _refuse(
        faults,
        pc.invert(pc.is_in(verdict, pa.array(list(Verdict), pa.string()))),
        verdict,
        f"the verdict {{}} is none of {known}; correct it",
    )
    for name in ("label", "lf", "withdraws"):
        needing = pa.array([kind for kind, column in _NEEDS.items() if column == name], pa.string())
        needed, given = pc.is_in(verdict, needing), columns[name].is_valid()
        names = " and ".join(needing.to_pylist())
        faults.add_where(
            pc.and_(needed, pc.invert(given)), Code.BAD_VALUE, f"no {name} with verdict {names}; fill it in"
        )
        _refuse(
            faults,
            pc.and_(pc.invert(needed), given),
            columns[name],
            f"a {name} only goes with verdict {names}, and here is {{}}; leave it empty, or send two events",
        )
    _refuse(
        faults,
        pc.and_(label.is_valid(), pc.invert(pc.is_in(label, pa.array(list(classes), pa.string())))),
        label,
        f"the label {{}} is none of the classes {', '.join(classes)}; correct it, use --map CLASS=theirs, or "
        f"use verdict {Verdict.NOT_A_CLASS}",
        Code.UNKNOWN_CLASS,
    )
    _judge_places(columns, faults)
    for name, low, message in (
        ("probability", pc.less_equal, "the probability of being picked is above 0, and at most 1, not {}"),
        ("random_share", pc.less, "random_share lies between 0 and 1, not at {}"),
    ):
        share = columns[name]
        outside = pc.or_(low(share, 0.0), pc.greater(share, 1.0))
        _refuse(faults, outside, share, f"{message}; correct it, or leave it empty")


def _judge_places(columns: Mapping[str, pa.Array], faults: Faults) -> None:
    of_row = pc.not_equal(columns["verdict"], Verdict.WITHDRAWN)
    no_row, no_stream = (pc.and_(of_row, columns[name].is_null()) for name in ("row_id", "stream"))
    faults.add_where(no_row, Code.NO_ID, "no row_id; name the row, or say with --id-field where its id is")
    faults.add_where(no_stream, Code.NO_ID, "no stream; name the row's stream, or use --stream")
    _refuse(
        faults,
        pc.invert(pc.match_substring_regex(columns["stream"], f"^{NAME_PATTERN}$")),
        columns["stream"],
        "{} cannot be a stream's name; correct it",
    )
    faults.add_where(columns["reviewer"].is_null(), Code.NO_ID, "no reviewer; say who, or use --reviewer")


def _judge_times(time: pa.Array, latest: datetime | None, faults: Faults) -> None:
    faults.add_where(time.is_null(), Code.NO_TIME, "no time; say when, as 2026-01-03T07:15:00Z, or use --time")
    if latest is not None:
        _refuse(
            faults,
            pc.greater(time, pa.scalar(latest, time.type)),
            time,
            f"the time {{}} is later than {latest:%Y-%m-%d}, so that nobody can have said it; correct it",
            Code.FROM_THE_FUTURE,
        )


def _refuse(faults: Faults, mask: pa.Array, column: pa.Array, message: str, code: Code = Code.BAD_VALUE) -> None:
    """Note a fault for every row of a mask, with the value that is there in the place of ``{}``."""
    for row in pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist():
        value = column[row].as_py()
        text = value.isoformat() if isinstance(value, datetime) else readable(repr(value), 80)
        faults.add(row, code, message.replace("{}", text, 1))


def _hashes(events: pa.Table) -> pa.Array:
    values = {name: events[name].combine_chunks() for name in EVENTS_SCHEMA.names}
    row, time = values.pop("row_id"), values.pop("time")
    del values["event_id"]
    return content_ids(row, time, values)
