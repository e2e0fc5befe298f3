r"""Dialects of delimited text: how a file separates its columns, quotes its texts, and writes quotes inside of them.

What the parameters do not say is told from the file's first lines, and from nothing else, so the same file is always
read the same way. The delimiter is the one by which the header has the wanted columns.

To Python's csv module a backslash escapes every character, and is dropped. Those who write ``\"`` (Spark, MySQL,
Hadoop) escape only quotes, backslashes, delimiters and line breaks; before anything else a backslash is a backslash.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Protocol

from beambell.config import CsvParams
from beambell.records.chunk import Wanted

# The csv module's own bound, 131072, is shorter than texts may be; ours is on whole records, in LineReader.
csv.field_size_limit(2**31 - 1)

DELIMITERS: Final = (",", ";", "\t", "|")
_NAMES: Final = {"\t": "a tab", " ": "a space"}
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)


class RecordReader(Protocol):
    """Records of lines, as `csv.reader` gives them; a broken one raises `csv.Error`.

    Attributes
    ----------
    line_num
        Lines read so far.
    """

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Give itself."""
        ...

    def __next__(self) -> list[str]:
        """Read on."""
        ...


class Broken(Enum):
    """Why a line is no record of its own."""

    OPEN = "a quote is opened and not closed"
    STRAY = "a quote is closed, and then the text goes on"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file writes its records.

    Attributes
    ----------
    delimiter
        Character between columns.
    quote
        Character around texts; empty where quotes mean nothing.
    escape
        Character before a quote inside of a text; empty where there is none.
    doubles
        Whether a quote inside of a text may be doubled.
    spaced
        Whether spaces after a delimiter are no part of what follows.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    doubles: bool = True
    spaced: bool = False

    def records(self, lines: Iterable[str]) -> RecordReader:
        """Read lines, with their ends, as records; strictly: what is not well-formed raises `csv.Error`."""
        if self.escape:
            return _EscapedReader(self, lines)
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, skipinitialspace=self.spaced)
        return csv.reader(
            lines, delimiter=self.delimiter, quotechar=self.quote, strict=True, skipinitialspace=self.spaced
        )

    def parse_line(self, line: str) -> list[str] | Broken:
        """Read one line as a record of its own."""
        # The second line is empty, so that a record that goes on there is known by it.
        reader = self.records([line, "\n"])
        try:
            row = next(reader)
        except StopIteration:
            return []
        except csv.Error:
            return Broken.STRAY if reader.line_num == 1 else Broken.OPEN
        return row if reader.line_num == 1 else Broken.OPEN


class _EscapedReader:
    """Reads records in which a character escapes others."""

    def __init__(self, dialect: Dialect, lines: Iterable[str]) -> None:
        delimiter, quote, escape = map(re.escape, (dialect.delimiter, dialect.quote, dialect.escape))
        self.line_num = 0
        self._lines = iter(lines)
        self._dialect = dialect
        special = rf"[{escape}{delimiter}\r\n{quote}]"
        self._escaped = re.compile(rf"{escape}({special})|{quote}({quote})" if quote else rf"{escape}({special})")
        # An escape that ends the lines there are is itself.
        doubled = f"|{quote}{quote}" if dialect.doubles else ""
        inside = rf"(?:[^{quote}{escape}]++|{escape}.{doubled})*+{escape}?"
        self._quoted = re.compile(inside, re.DOTALL) if quote else None
        self._plain = re.compile(rf"(?:[^{delimiter}{escape}\r\n]++|{escape}(?:\r\n|.))*+{escape}?", re.DOTALL)
        self._unquoted = re.compile(rf"[^{delimiter}\r\n]*") if quote else self._plain

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        line, at = self._next_line(), 0
        row: list[str] = []
        while True:
            while self._dialect.spaced and line.startswith(" ", at):
                at += 1
            if self._quoted is not None and line.startswith(self._dialect.quote, at):
                cell, line, at = self._rest_of_quoted(line, at + 1)
            else:
                cell, line, at = self._rest_of_plain(line, at)
            row.append(cell)
            if line.startswith(self._dialect.delimiter, at):
                at += 1
            elif line[at:].strip("\r\n"):
                raise csv.Error("the text goes on after a closing quote")
            else:
                return row if len(row) > 1 or row[0] else []

    def _rest_of_quoted(self, line: str, at: int) -> tuple[str, str, int]:
        """Read to the closing quote; gives the cell, and the line and the place after it."""
        assert self._quoted is not None
        parts = []
        while True:
            found = self._quoted.match(line, at)
            assert found is not None
            parts.append(found[0])
            if found.end() < len(line):
                return self._unescape("".join(parts)), line, found.end() + 1
            line, at = self._next_line(within=True), 0

    def _rest_of_plain(self, line: str, at: int) -> tuple[str, str, int]:
        """Read to the delimiter; where quotes mean nothing, an escaped line break does not end a record."""
        parts = []
        while True:
            found = self._unquoted.match(line, at)
            assert found is not None
            parts.append(found[0])
            if self._quoted is not None:
                return parts[0], line, found.end()
            if found.end() < len(line) or not found[0].endswith(("\r", "\n")):
                return self._unescape("".join(parts)), line, found.end()
            line, at = self._next_line(within=True), 0

    def _unescape(self, text: str) -> str:
        return self._escaped.sub(lambda found: found[found.lastindex or 0], text)

    def _next_line(self, *, within: bool = False) -> str:
        line = next(self._lines, None)
        if line is None:
            if within:
                raise csv.Error("the last quote is not closed")
            raise StopIteration
        self.line_num += 1
        return line


# -- what the parameters say, and what the file says --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the dialect before the file is opened.

    Attributes
    ----------
    params
        Dialect that the parameters name.
    usual
        The delimiter of files that do not tell: of ``.tsv`` a tab.
    spelling
        Form of a parameter's name in messages: ``{}`` stands for ``delimiter``, ``quote`` or ``escape``. Empty where
        there are no parameters, and the file is to be written otherwise.
    """

    params: CsvParams = field(default_factory=CsvParams)
    usual: str = ","
    spelling: str = "csv.{}"

    def set(self, name: str, value: str) -> str:
        """Word the advice to set a parameter."""
        if not self.spelling:
            return f"write the whole file with {name} {value!r}"
        return f"set {self.spelling.format(name)} to {value!r}"


@dataclass(frozen=True, slots=True)
class Opening:
    """How a file begins.

    Attributes
    ----------
    dialect
        Dialect as the header tells it; whether quotes are escaped or doubled, `beambell.records.delimited` finds out.
    at
        Place of the header among the lines.
    names
        Names of the columns; a `Broken` if the header cannot be read.
    hint
        Advice on what to set, if another delimiter fits the header better than the one that was asked for.
    """

    dialect: Dialect
    at: int
    names: tuple[str, ...] | Broken
    hint: str = ""


def open_delimited(lines: Sequence[str], wanted: Wanted, asked: Asked) -> Opening | None:
    """Find the header among a file's first lines, and the delimiter and the quotes that fit it.

    Parameters
    ----------
    lines
        First lines of the file, with their ends.
    wanted
        Columns to look for.
    asked
        Parts of the dialect that are known already.

    Returns
    -------
    Opening or None
        None while all lines are blank.
    """
    texts = (at for at, line in enumerate(lines) if line.strip())
    at = next(texts, None)
    if at is None:
        return None
    named = _SEP_LINE.fullmatch(lines[at])
    if named:
        at = next(texts, None)
        if at is None:
            return None
    told = asked.params.delimiter or (named[1] if named else None)
    usual = told or asked.usual
    others = [delimiter for delimiter in DELIMITERS if delimiter != usual]
    openings = [_opening(lines[at], at, delimiter, wanted, asked) for delimiter in (usual, *others)]
    best = max(openings, key=lambda opening: _fit(opening, wanted))  # the first, of several that fit alike
    if told is None or _fit(best, wanted)[:2] == _fit(openings[0], wanted)[:2]:
        return best if told is None else openings[0]
    said = f"the delimiter is set to {shown(told)}" if asked.params.delimiter else f"the file says sep={told}"
    fitting = best.dialect.delimiter
    hint = f"{said}, but the header fits {shown(fitting)}: {asked.set('delimiter', fitting)}"
    return replace(openings[0], hint=hint)


def shown(delimiter: str) -> str:
    """Name a delimiter to a reader."""
    return _NAMES.get(delimiter, repr(delimiter))


def _opening(line: str, at: int, delimiter: str, wanted: Wanted, asked: Asked) -> Opening:
    usual = ('"', "'") if "'" in line else ('"',)
    quotes = usual if asked.params.quote is None else (asked.params.quote,)
    found = []
    for quote in quotes:
        dialect = Dialect(delimiter, quote, asked.params.escape or "")
        names = dialect.parse_line(line)
        if not isinstance(names, Broken) and len(names) > 1 and all(name.startswith(" ") for name in names[1:]):
            dialect = replace(dialect, spaced=True)
            names = dialect.parse_line(line)
        found.append(
            Opening(dialect, at, names if isinstance(names, Broken) else tuple(name.strip() for name in names))
        )
    return max(found, key=lambda opening: _fit(opening, wanted)[:2])


def _fit(opening: Opening, wanted: Wanted) -> tuple[int, int, float]:
    """Count the wanted columns in a header: those that must be there, and all; failing those, any columns."""
    if isinstance(opening.names, Broken):
        return 0, 0, math.inf  # what cannot be read is said, rather than read as a column of a strange name
    required = sum(name in opening.names for name in wanted.required)
    wished = sum(name in opening.names for name in wanted.columns)
    return required, wished, 0 if wished else len(opening.names)
