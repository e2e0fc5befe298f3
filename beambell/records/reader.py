"""From one raw file to typed rows, with an account of every record that is not among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc

from beambell.config import StreamParams
from beambell.errors import UsageError
from beambell.records.cells import ID, KINDS, convert
from beambell.records.chunk import Chunk, Faults, Wanted
from beambell.records.dialect import Asked
from beambell.records.format import TextFile, format_of
from beambell.records.identity import content_ids
from beambell.records.partitioning import TIMESTAMP, delivery_dt, parse_dt, partition_of
from beambell.records.schema import Batch, Code, Reject, quarantine_table, row_schema
from beambell.records.text import LineReader
from beambell.records.times import TIME

_MOST_EXPANSION: Final = 100
"""Times that texts hardly ever shrink when they are packed."""
_FEWEST_LINES: Final = 2**20


def detect_format(name: str) -> str:
    """Tell the name of a file's format by its suffix; text formats may end in ``.gz`` as well.

    Raises
    ------
    InputError
        When the suffix is none of those known.
    """
    return format_of(name).kind


def read_records(
    source: BinaryIO,
    *,
    name: str,
    stream: StreamParams,
    stream_name: str = "NAME",
    delivery: str | None = None,
    delivered: datetime | None = None,
    batch_rows: int = 65_536,
) -> Iterator[Batch]:
    """Read a raw file, a batch at a time, in bounded memory.

    Whatever the bytes are, nothing is raised and no good record is lost: every record is a row or has an entry
    in the quarantine, and ``n_records == rows.num_rows +`` quarantine entries with a line. What concerns a whole
    file (it is empty, breaks off, lacks an optional column) is an entry with a null line, which is no record.

    Parameters
    ----------
    source
        The file, open for reading; it stays open.
    name
        Name of the file in rows and messages; its suffix tells the format.
    stream
        Columns and rules of the stream.
    stream_name
        Name of the stream, for messages that say which parameter to set.
    delivery
        The hour, day or month of delivery, for streams with ``undated: delivery``.
    delivered
        Time when the delivery was complete, with its time zone: events that are later by more than the stream's
        ``future`` are quarantined. ``None`` if that is not known.
    batch_rows
        Rows of a batch, at most; fewer where texts are huge, more where a CSV record is of more lines than that.

    Yields
    ------
    Batch
        In order of the file; none for a file of nothing but a header.

    Raises
    ------
    InputError
        When the format is unknown.
    UsageError
        When ``delivery``, or ``first`` or ``undated`` of the stream, is no partition of its grain.
    ConfigError
        When the stream's encoding is unknown, or a column is called ``dt``.
    """
    kind = format_of(name)
    typer = _Typer.of(name, stream, stream_name, delivery, delivered)
    # The delimiter in the parameters is of CSV files; the name of others tells theirs.
    csv = stream.as_csv if kind.kind == "csv" else stream.csv.model_copy(update={"delimiter": None})
    asked = Asked(csv, spelling=f"streams.{stream_name}.csv.{{}}")
    file = kind(source, name, batch_rows, stream.encoding, stream.max_text_chars, asked)
    records = rows = 0
    for chunk in file.chunks(Wanted.of(stream)):
        if chunk.lines or chunk.rejects:
            batch = typer.batch(chunk)
            records, rows = records + batch.n_records, rows + batch.rows.num_rows
            yield batch
        if isinstance(file, TextFile) and _is_vain(file.lines, records, rows):
            yield typer.batch(Chunk(rejects=[_given_up(file.lines, records, rows)]))
            return


def _is_vain(lines: LineReader, records: int, rows: int) -> bool:
    """Tell a small file that was made to be unpacked to a huge one."""
    return lines.taken >= _FEWEST_LINES and lines.expansion > _MOST_EXPANSION and rows * 100 <= records


def _given_up(lines: LineReader, records: int, rows: int) -> Reject:
    return Reject(
        None,
        Code.UNREADABLE,
        f"not read beyond line {lines.taken:,}: {rows:,} of {records:,} records can be read, and the file unpacks to "
        f"more than {_MOST_EXPANSION} times its size; repair it, and deliver it again",
    )


@dataclass(frozen=True, slots=True)
class _Typer:
    """Turns chunks of one file into batches.

    Attributes
    ----------
    undated
        Partition of records without a time; None to quarantine them.
    delivered, latest
        Time when the file was delivered, and of the latest event that is believed; ``None`` to believe all.
    """

    name: str
    stream: StreamParams
    stream_name: str
    schema: pa.Schema
    undated: str | None
    delivered: datetime | None
    latest: datetime | None

    @classmethod
    def of(
        cls, name: str, stream: StreamParams, stream_name: str, delivery: str | None, delivered: datetime | None
    ) -> _Typer:
        """Check the stream's rules before the first record is read."""
        if stream.first is not None:
            parse_dt(stream.first, stream.grain, where="first")
        undated: str | None = None
        if stream.undated == "delivery":
            if delivery is None:
                raise UsageError(
                    "no time of delivery is known", where=name, fix="put {dt} into every pattern of inputs"
                )
            undated = delivery_dt(delivery, stream.grain)
        elif stream.undated != "quarantine":
            parse_dt(stream.undated, stream.grain, where="undated")
            undated = stream.undated
        latest: datetime | None = None
        if delivered is not None and stream.tolerance is not None:
            latest = delivered + min(stream.tolerance, datetime.max.replace(tzinfo=UTC) - delivered)
        return cls(name, stream, stream_name, row_schema(stream), undated, delivered, latest)

    def batch(self, chunk: Chunk) -> Batch:
        """Type a chunk's records, and set aside those that cannot be."""
        stream, cells, faults, n_rows = self.stream, chunk.cells, chunk.faults, len(chunk.lines)
        columns: dict[str, pa.Array] = {}
        if n_rows:
            columns[stream.text] = self._text(chunk)
            columns["ts"], columns["dt"] = self._time(chunk)
            if stream.id is not None:
                columns["id"] = convert(cells[stream.id], ID, stream.id, faults)
                absent = pc.equal(pc.fill_null(columns["id"], ""), "")
                faults.add_where(absent, Code.NO_ID, f"column {stream.id!r} is empty; every record needs its id")
            for name, kind in stream.fields.items():
                field = convert(cells[name], KINDS[kind], name, faults)
                if chunk.empty_is_null and kind == "string":
                    field = pc.if_else(pc.equal(field, ""), None, field)
                columns[name] = field
        rows = self._rows(columns, chunk)
        rejects = chunk.rejects + [
            Reject(chunk.lines[row], code, message, chunk.excerpt(row))
            for row, (code, message) in faults.by_row.items()
        ]
        n_records = n_rows + sum(reject.line is not None for reject in chunk.rejects)
        return Batch(rows, quarantine_table(self.name, rejects), n_records)

    def _text(self, chunk: Chunk) -> pa.Array:
        name, most = self.stream.text, self.stream.max_text_chars
        text = convert(chunk.cells[name], KINDS["string"], name, chunk.faults)
        chunk.faults.add_where(
            text.is_null(), Code.NULL_TEXT, f"column {name!r} is null; give every record a text, if an empty one"
        )
        chunk.faults.add_where(
            pc.greater(pc.utf8_length(text), most),
            Code.HUGE_TEXT,
            f"column {name!r} has more than {most} characters; shorten it, or raise max_text_chars in params.yaml",
        )
        return text

    def _time(self, chunk: Chunk) -> tuple[pa.Array, pa.Array]:
        stream, faults = self.stream, chunk.faults
        ts = convert(chunk.cells[stream.time], TIME, stream.time, faults)
        dt = partition_of(ts, stream.grain)
        if stream.first is not None:
            faults.add_where(
                pc.less(dt, stream.first),
                Code.MISDATED,
                f"column {stream.time!r} is before {stream.first}; correct it, or set an earlier first in params.yaml",
            )
        if self.latest is not None:
            self._believe(ts, self.latest, faults)
        if self.undated is not None:
            return ts, pc.fill_null(dt, self.undated)
        faults.add_where(
            ts.is_null(),
            Code.NO_TIME,
            f"column {stream.time!r} is empty; give the record a time, or say in params.yaml what undated ones become",
        )
        return ts, dt

    def _believe(self, ts: pa.Array, latest: datetime, faults: Faults) -> None:
        """Find the events that are from the future: one alone would move windows and decay past all others."""
        stream = self.stream
        for row in pc.indices_nonzero(pc.greater(ts, pa.scalar(latest, TIMESTAMP))).to_pylist():
            faults.add(
                row,
                Code.FROM_THE_FUTURE,
                f"column {stream.time!r}: {ts[row].as_py().isoformat()} is from the future: the file was delivered by "
                f"{self.delivered:%Y-%m-%dT%H:%M:%SZ}, and an event may be {stream.future} later; correct it, or set "
                f"streams.{self.stream_name}.future in params.yaml",
            )

    def _rows(self, columns: dict[str, pa.Array], chunk: Chunk) -> pa.Table:
        """Keep the rows without a fault, and give them ids and provenance."""
        schema = self.schema.append(pa.field("dt", pa.string()))
        n_rows = len(chunk.lines)
        if not n_rows:
            return schema.empty_table()
        columns["_line"] = pa.array(chunk.lines, pa.int64())
        if chunk.faults.by_row:
            good = chunk.faults.good_rows(n_rows)
            columns = {name: column.filter(good) for name, column in columns.items()}
        columns["_file"] = pa.repeat(pa.scalar(self.name, pa.string()), len(columns["_line"]))
        if "id" not in columns:
            fields = {name: columns[name] for name in self.stream.fields}
            columns["id"] = content_ids(columns[self.stream.text], columns["ts"], fields)
        return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
