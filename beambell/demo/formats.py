"""Bytes of raw files: CSV, JSON lines (plain or gzip) and Parquet, with the line where each record begins."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from beambell.demo.delivery import Arrival
from beambell.demo.rng import Rng

Encoded = tuple[bytes, list[int]]
"""A file's content, and the 1-based line (Parquet: row) where each of its records begins."""

Fields = dict[str, Any]

BAD_TIMES = ("yesterday", "2026-13-45T99:61:00Z", "0000-00-00T00:00:00Z", "n/a", "")
# A character that no text has stands for bytes that are not UTF-8 until the line is encoded.
MARK = "\ue000"
BAD_BYTES = b"\xc3\x28\xff"
STORED_BLOCK = 65_535


def csv(arrivals: Sequence[Arrival], rng: Rng) -> Encoded:
    """Comma-separated, with a header and RFC 4180 quoting; texts may hold line breaks."""
    header = _csv_line(arrivals[0].row.fields)
    return _lines(header, (_csv_record(arrival, rng) for arrival in arrivals))


def jsonl(arrivals: Sequence[Arrival], rng: Rng) -> Encoded:
    """One JSON object a line."""
    return _lines(b"", (_json_record(arrival, rng) for arrival in arrivals))


def jsonl_gz(arrivals: Sequence[Arrival], rng: Rng) -> Encoded:
    """JSON lines in a gzip file."""
    content, starts = jsonl(arrivals, rng)
    return gzipped(content), starts


def parquet(arrivals: Sequence[Arrival], rng: Rng) -> Encoded:  # noqa: ARG001
    """A typed table; a broken record has no time, as there is no other way to break one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_without_time(arrival.row.fields) if arrival.broken else arrival.row.fields for arrival in arrivals]
    time = pa.timestamp("us", tz="UTC")
    table = pa.table(
        {
            name: pa.array([row[name] for row in rows], time if isinstance(value, datetime) else None)
            for name, value in arrivals[0].row.fields.items()
        }
    )
    sink = io.BytesIO()
    # Uncompressed: compressors may give other bytes on another processor.
    pq.write_table(table, sink, compression="none")
    return sink.getvalue(), list(range(1, len(rows) + 1))


def gzipped(content: bytes) -> bytes:
    """Wrap bytes as a gzip file of stored blocks: what a compressor makes of them depends on its build."""
    blocks = [content[at : at + STORED_BLOCK] for at in range(0, len(content), STORED_BLOCK)] or [b""]
    body = bytearray(b"\x1f\x8b\x08" + bytes(6) + b"\xff")
    for number, block in enumerate(blocks, start=1):
        body += struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF) + block
    return bytes(body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))


Format = Callable[[Sequence[Arrival], Rng], Encoded]
FORMATS: dict[str, Format] = {"csv": csv, "jsonl": jsonl, "jsonl.gz": jsonl_gz, "parquet": parquet}


def _lines(header: bytes, records: Iterator[bytes]) -> Encoded:
    chunks, starts, line = [header], [], 1 + header.count(b"\n")
    for record in records:
        chunks.append(record)
        starts.append(line)
        line += record.count(b"\n")
    return b"".join(chunks), starts


def _csv_record(arrival: Arrival, rng: Rng) -> bytes:
    fields = arrival.row.fields
    values = list(fields.values())
    if not arrival.broken:
        return _csv_line(values)
    match rng.below(4):
        case 0:
            return _csv_line(values[:-1])
        case 1:
            return _csv_line([*values, rng.pick(("", "0", "en"))])
        case 2:
            return _csv_line(_with_bad_bytes(fields).values())
        case _:
            return _csv_line(_with_bad_time(fields, rng).values())


def _csv_line(values: Iterable[Any]) -> bytes:
    return _encode(",".join(map(_csv_value, values)))


def _csv_value(value: Any) -> str:
    text = _plain(value)
    if any(special in text for special in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_record(arrival: Arrival, rng: Rng) -> bytes:
    fields = arrival.row.fields
    if not arrival.broken:
        return _json_line(fields)
    match rng.below(4):
        case 0:
            line = _json_line(fields)
            # Cut within ASCII, so that the JSON is broken and the encoding is not.
            return line[: rng.between(2, 12)] + b"\n"
        case 1:
            return _json_line(list(fields.values()))
        case 2:
            return _json_line(_with_bad_bytes(fields))
        case _:
            return _json_line(_with_bad_time(fields, rng))


def _json_line(fields: Any) -> bytes:
    return _encode(json.dumps(fields, ensure_ascii=False, default=_plain))


def _encode(line: str) -> bytes:
    return f"{line}\n".encode().replace(MARK.encode(), BAD_BYTES)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        text = value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        return text.replace("+00:00", "Z")
    return str(value)


def _with_bad_bytes(fields: Fields) -> Fields:
    return fields | {"text": fields["text"] + MARK}


def _with_bad_time(fields: Fields, rng: Rng) -> Fields:
    return {n: rng.pick(BAD_TIMES) if isinstance(v, datetime) else v for n, v in fields.items()}


def _without_time(fields: Fields) -> Fields:
    return {n: None if isinstance(v, datetime) else v for n, v in fields.items()}
