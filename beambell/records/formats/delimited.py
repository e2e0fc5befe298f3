"""CSV and TSV of any dialect, record by record; a stray quote cannot eat the lines after it.

To the csv module a quote that is never closed makes one record of all that follows. Here a record of several
lines must be well-formed, as wide as the header, not longer than any record may be, and have no line inside it
that is a whole record itself. If it is not so, its first line alone is quarantined; the lines it had swallowed
are read one by one, and from its last line on (where a quote ended it) reading goes on as ever.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import pyarrow as pa

from beambell.records.chunk import Cells, Chunk, Faults, Header, Wanted
from beambell.records.dialect import Asked, Broken, Dialect, RecordReader, open_delimited, shown
from beambell.records.format import TextFile, register
from beambell.records.schema import EXCERPT_CHARS, Code, Reject
from beambell.records.text import LineReader
from beambell.records.times import is_time

_SHORT_REACH: Final = 256  # lines read anew after a recovery, doubled while all goes well
_SAMPLE_LINES: Final = 10_000
_SAMPLE_CHARS: Final = 2**20
"""How much of a file its dialect is told from."""

_BROKEN: Final = {
    Broken.OPEN: (Code.OPEN_QUOTE, "a quote is opened here that no fitting record closes"),
    Broken.STRAY: (Code.STRAY_QUOTE, "a text goes on after the quote that closes it"),
}
_BACKSLASH: Final = "\\"


@dataclass(slots=True)
class _Records:
    """Records found in a window of lines.

    Attributes
    ----------
    cells
        Cells of all records, one after the other: flat, because lists by the thousand keep the collector busy.
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

    dialect: Dialect
    asked: Asked
    width: int
    time_at: int | None
    limit: int

    def split(self, window: list[str], *, final: bool) -> _Records:
        """Split a window; unless it is final, a record still open at its end is left for the next."""
        found = _Records()
        reach = len(window)
        while found.used < len(window):
            stop = min(found.used + reach, len(window))
            reader = self.dialect.records(window[found.used : stop])
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

    def _read(self, reader: RecordReader, window: list[str], found: _Records) -> bool:
        """Take records while they can be trusted; tell whether that was to the window's end."""
        base = start = found.used
        cells, starts, ends, width = found.cells, found.starts, found.ends, self.width
        try:
            for row in reader:
                end = base + reader.line_num
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
            row = self.dialect.parse_line(window[at])
            if isinstance(row, Broken):
                found.bad.append((at, *self._broken(row, window[at])))
            else:
                self._sort_in(row, at, at + 1, found)

    def _broken(self, how: Broken, line: str) -> tuple[Code, str]:
        code, what = _BROKEN[how]
        dialect = self.dialect
        fix = "double the quotes inside texts, and quote the whole text"
        if not self.asked.spelling:
            pass
        elif not dialect.escape and f"{_BACKSLASH}{dialect.quote}" in line:
            fix += f"; if a backslash escapes them, {self.asked.set('escape', _BACKSLASH)}"
        else:
            fix += f"; if quotes mean nothing in this file, {self.asked.set('quote', 'none')}"
        return code, f"{what}; {fix}"

    def refuse_spaced(self, chunk: Chunk, window: list[str]) -> None:
        """Find texts that begin with a space and a quote: the quote may be meant as one, or as part of the text."""
        quote, delimiter = self.dialect.quote, self.dialect.delimiter
        if not quote or not any(f" {quote}" in line for line in window):
            return
        for cells in chunk.cells.values():
            for row, cell in enumerate(cells if isinstance(cells, list) else ()):
                if cell and cell[0] == " " and cell.lstrip(" ").startswith(quote):
                    what = f"a space comes between {shown(delimiter)} and the quote that follows"
                    fix = "take it out, or put one after each name in the header, too"
                    chunk.faults.add(row, Code.STRAY_QUOTE, f"{what}; {fix}")

    def _sort_in(self, row: list[str], start: int, end: int, found: _Records) -> None:
        if len(row) == self.width:
            found.cells.extend(row)
            found.starts.append(start)
            found.ends.append(end)
        elif not _is_blank(row):
            message = (
                f"{len(row)} columns where the header has {self.width}; "
                f"quote texts that contain {shown(self.dialect.delimiter)} or a line break"
            )
            found.bad.append((start, Code.WRONG_COLUMNS, message))

    def _is_sound(self, row: list[str], window: list[str], start: int, end: int) -> bool:
        if len(row) != self.width or _size(window, start, end) > self.limit:
            return False
        return self.time_at is None or not any(self._is_record(line) for line in window[start + 1 : end - 1])

    def _is_record(self, line: str) -> bool:
        assert self.time_at is not None
        row = self.dialect.parse_line(line)
        return not isinstance(row, Broken) and len(row) == self.width and is_time(row[self.time_at])


class Delimited(TextFile):
    """A file with a header.

    Its cells are str; an absent value is an empty string, or None where it is spelled as one of the nulls.
    """

    newline = ""

    @cached_property
    def dialect(self) -> Asked:
        """What is known of its dialect: where nothing else tells, its delimiter is that of the format."""
        return replace(self.asked, usual=type(self).delimiter)

    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Columns of its header; none if that cannot be read."""
        opening = open_delimited(self._sample()[0], Wanted((), (), known), self.dialect)
        if opening is None:
            return ()
        self.delimiter = opening.dialect.delimiter
        return () if isinstance(opening.names, Broken) else opening.names

    def chunks(self, wanted: Wanted) -> Iterator[Chunk]:
        """Read it to its end, whatever its dialect is."""
        lines, asked = self.lines, self.dialect
        sample, whole = self._sample()
        while (opening := open_delimited(sample, wanted, asked)) is None:
            block = lines.take(max(1, len(sample)))
            if not (block.lines or block.rejects):
                return
            yield Chunk(rejects=block.rejects)
            sample, whole = self._sample()
        if opening.at:
            lines.take(opening.at)
        head = lines.take(1)
        if not head.lines or isinstance(opening.names, Broken):
            message = f"the header, line {opening.at + 1}, leaves a quote open; repair it"
            broken = [Reject(None, Code.UNREADABLE, message, line) for line in head.lines]
            yield Chunk(rejects=head.rejects + broken)
            return
        header = Header(opening.names, wanted, opening.hint)
        time_at = header.positions.get(wanted.time or "")
        splitter = _Splitter(opening.dialect, asked, len(header.names), time_at, lines.limit)
        splitter = replace(splitter, dialect=_told_by_quotes(splitter, sample[opening.at + 1 :], whole=whole))
        yield Chunk(rejects=header.remarks() + head.rejects)
        yield from _read_records(lines, splitter, header, self.batch_rows)

    def _sample(self) -> tuple[list[str], bool]:
        return self.lines.peek(_SAMPLE_LINES, _SAMPLE_CHARS)


@register
class Csv(Delimited):
    """CSV of any dialect."""

    kind, title, suffixes, delimiter = "csv", "CSV", (".csv",), ","


@register
class Tsv(Delimited):
    """CSV with tabs, if nothing tells otherwise."""

    kind, title, suffixes, delimiter = "tsv", "TSV", (".tsv",), "\t"


def _told_by_quotes(splitter: _Splitter, sample: Sequence[str], *, whole: bool) -> Dialect:
    """Tell whether quotes inside of texts are doubled or escaped, by which of both leaves fewer lines unread."""
    doubled, quote = splitter.dialect, splitter.dialect.quote
    if splitter.asked.params.escape is not None or not any(f"{_BACKSLASH}{quote}" in line for line in sample):
        return doubled
    # A file that does both is one that doubles, with some lines of another origin: to read those is to guess.
    escaped = replace(doubled, escape=_BACKSLASH, doubles=False)
    bad = [len(replace(splitter, dialect=one).split(list(sample), final=whole).bad) for one in (doubled, escaped)]
    return escaped if bad[1] < bad[0] else doubled


def _read_records(lines: LineReader, splitter: _Splitter, header: Header, batch_rows: int) -> Iterator[Chunk]:
    window: list[str] = []
    nulls = frozenset(splitter.asked.params.null)
    while True:
        first = lines.taken + 1 - len(window)
        # A record longer than a chunk is read on by doubling, so that it is not read over and over.
        block = lines.take(max(batch_rows - len(window), len(window), 1))
        window += block.lines
        if not (window or block.rejects):
            return
        found = splitter.split(window, final=block.final)
        chunk = _chunk(found, window, first, header, block.rejects, nulls)
        splitter.refuse_spaced(chunk, window)
        yield chunk
        window = window[found.used :]


def _chunk(
    found: _Records, window: list[str], first: int, header: Header, rejects: list[Reject], nulls: frozenset[str]
) -> Chunk:
    rejects = list(rejects)
    faults = Faults()
    n_rows = len(found.starts)
    if fault := header.fault():
        for row in range(n_rows):
            faults.add(row, *fault)
    cells: dict[str, Cells] = {name: pa.nulls(n_rows) for name in header.wanted.columns}
    cells |= {name: _with_nulls(found.cells[at :: len(header.names)], nulls) for name, at in header.positions.items()}
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


def _with_nulls(cells: list[str], nulls: frozenset[str]) -> Cells:
    return cells if nulls.isdisjoint(cells) else [None if cell in nulls else cell for cell in cells]


def _excerpt(window: list[str], start: int, end: int) -> str:
    # A line has at least one character, so more lines than characters are never needed.
    return "".join(window[start : min(end, start + EXCERPT_CHARS)]).rstrip("\r\n")


def _size(window: list[str], start: int, end: int) -> int:
    return sum(map(len, window[start:end]))


def _is_blank(row: list[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip())
