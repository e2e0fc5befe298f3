"""CSV and TSV, as Python's csv module reads them, except that a stray quote cannot eat the lines after it.

To the csv module a quote that is never closed makes one record of all that follows. Here a record of several
lines must be well-formed, as wide as the header, not longer than any record may be, and have no line inside it
that is a whole record itself. If it is not so, its first line alone is quarantined; the lines it had swallowed
are read one by one, and from its last line on (where a quote ended it) reading goes on as ever.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from beambell.records.chunk import Cells, Chunk, Faults, Header, Wanted
from beambell.records.schema import EXCERPT_CHARS, Code, Reject
from beambell.records.text import LineReader
from beambell.records.times import is_time

# The csv module's own bound, 131072, is shorter than texts may be; ours is on whole records, in LineReader.
csv.field_size_limit(2**31 - 1)

_SHORT_REACH: Final = 256  # lines read anew after a recovery, doubled while all goes well
_OPEN_QUOTE: Final = (
    "a quote is opened here that no fitting record closes; double the quotes inside texts, and quote the whole text"
)


@dataclass(slots=True)
class _Records:
    """Records found in a window of lines.

    Attributes
    ----------
    cells
        Of all records, one after the other: flat, because lists by the thousand keep the collector busy.
    starts, ends
        First line, and the one after the last, of each record, as places in the window.
    bad
        Place, code and message of records that cannot be used.
    used
        Lines of the window that are done with.
    """

    cells: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    bad: list[tuple[int, Code, str]] = field(default_factory=list)
    used: int = 0


@dataclass(frozen=True, slots=True)
class _Splitter:
    """Splits windows of lines into records of one width."""

    delimiter: str
    width: int
    time_at: int | None
    limit: int

    def split(self, window: list[str], *, final: bool) -> _Records:
        """Split a window; unless it is final, a record still open at its end is left for the next."""
        found = _Records()
        reach = len(window)
        while found.used < len(window):
            stop = min(found.used + reach, len(window))
            reader = csv.reader(window[found.used : stop], delimiter=self.delimiter, strict=True)
            base = found.used
            if self._read(reader, window, found):
                reach *= 2
                continue
            end = base + reader.line_num
            if end == stop and _size(window, found.used, end) <= self.limit:
                if stop < len(window):
                    reach *= 2
                    continue
                if not final:
                    break
            self._recover(window, end, found)
            reach = _SHORT_REACH
        return found

    def _read(self, reader: Iterator[list[str]], window: list[str], found: _Records) -> bool:
        """Take records while they can be trusted; tell whether that was to the window's end."""
        base = start = found.used
        cells, starts, ends, width = found.cells, found.starts, found.ends, self.width
        try:
            for row in reader:
                end = base + reader.line_num  # type: ignore[attr-defined]
                if end - start > 1 and not self._is_sound(row, window, start, end):
                    return False
                if len(row) == width:
                    cells.extend(row)
                    starts.append(start)
                    ends.append(end)
                else:
                    self._sort_in(row, start, end, found)
                found.used = start = end
        except csv.Error:
            return False
        return True

    def _recover(self, window: list[str], end: int, found: _Records) -> None:
        """Pass a record that ends before ``end`` and cannot be trusted, line by line, except its last line."""
        opened = found.used
        found.used = max(opened + 1, end - 1)
        for at in range(opened, found.used):
            row = parse_line(window[at], self.delimiter)
            if row is None:
                found.bad.append((at, Code.OPEN_QUOTE, _OPEN_QUOTE))
            else:
                self._sort_in(row, at, at + 1, found)

    def _sort_in(self, row: list[str], start: int, end: int, found: _Records) -> None:
        if len(row) == self.width:
            found.cells.extend(row)
            found.starts.append(start)
            found.ends.append(end)
        elif not _is_blank(row):
            message = (
                f"{len(row)} columns where the header has {self.width}; "
                f"quote texts that contain {self.delimiter!r} or a line break"
            )
            found.bad.append((start, Code.WRONG_COLUMNS, message))

    def _is_sound(self, row: list[str], window: list[str], start: int, end: int) -> bool:
        if len(row) != self.width or _size(window, start, end) > self.limit:
            return False
        return self.time_at is None or not any(self._is_record(line) for line in window[start + 1 : end - 1])

    def _is_record(self, line: str) -> bool:
        assert self.time_at is not None
        row = parse_line(line, self.delimiter)
        return row is not None and len(row) == self.width and is_time(row[self.time_at])


def parse_line(line: str, delimiter: str) -> list[str] | None:
    """Read one line as a record of its own; None when a quote in it is left open."""
    reader = csv.reader([line, "\n"], delimiter=delimiter)
    try:
        row = next(reader)
    except csv.Error:
        return None
    return row if reader.line_num == 1 else None


def read_delimited(lines: LineReader, *, wanted: Wanted, delimiter: str, batch_rows: int) -> Iterator[Chunk]:
    """Read a file with a header.

    Parameters
    ----------
    lines
        The file, with line ends of every kind.
    wanted
        Which columns.
    delimiter
        One character.
    batch_rows
        Lines, hence at most records, of a chunk.

    Yields
    ------
    Chunk
        Cells are str; an absent value is an empty string.
    """
    header: Header | None = None
    window: list[str] = []
    first = 1
    while True:
        # A record longer than a chunk is read on by doubling, so that it is not read over and over.
        block = lines.take(max(batch_rows - len(window), len(window), 1))
        window += block.lines
        if not (window or block.rejects):
            return
        rejects = list(block.rejects)
        if header is None and (at := _first_text(window)) is not None:
            names = parse_line(window[at], delimiter)
            if names is None:
                message = f"the header, line {first + at}, leaves a quote open; repair it"
                yield Chunk(rejects=[Reject(None, Code.UNREADABLE, message, window[at])])
                return
            header = Header(tuple(name.strip() for name in names), wanted)
            rejects += header.remarks()
            window, first = window[at + 1 :], first + at + 1
        if header is None:
            used, chunk = len(window), Chunk(rejects=rejects)
        else:
            time_at = header.positions.get(wanted.time or "")
            splitter = _Splitter(delimiter, len(header.names), time_at, lines.limit)
            found = splitter.split(window, final=block.final)
            used, chunk = found.used, _chunk(found, window, first, header, rejects)
        yield chunk
        window = window[used:]
        first = first + used if window else lines.taken + 1


def _chunk(found: _Records, window: list[str], first: int, header: Header, rejects: list[Reject]) -> Chunk:
    faults = Faults()
    n_rows = len(found.starts)
    if fault := header.fault():
        for row in range(n_rows):
            faults.add(row, *fault)
    cells: dict[str, Cells] = {name: pa.nulls(n_rows) for name in header.wanted.columns}
    cells |= {name: found.cells[at :: len(header.names)] for name, at in header.positions.items()}
    for at, code, message in found.bad:
        rejects.append(Reject(first + at, code, message, _excerpt(window, at, at + 1)))
    return Chunk(
        cells,
        [first + start for start in found.starts],
        lambda row: _excerpt(window, found.starts[row], found.ends[row]),
        faults,
        rejects,
        empty_is_null=True,
    )


def _excerpt(window: list[str], start: int, end: int) -> str:
    # A line has at least one character, so more lines than characters are never needed.
    return "".join(window[start : min(end, start + EXCERPT_CHARS)]).rstrip("\r\n")


def _size(window: list[str], start: int, end: int) -> int:
    return sum(map(len, window[start:end]))


def _first_text(window: list[str]) -> int | None:
    return next((at for at, line in enumerate(window) if line.strip()), None)


def _is_blank(row: list[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip())
