"""JSON as other tools write it: objects line by line, an array, objects one after the other, a list in an object.

A file is read piece by piece, however it is laid out, and up to where it is damaged; of objects line by line, only
the damaged line is lost.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from beambell.records.formats.jsonl import BY_LINE, not_json
from beambell.records.schema import Code, Reject
from beambell.records.text import LineReader, split_suffix

#: Characters of one element of an array, from which on it is none.
LONGEST: Final = 64 * 2**20
HEAD: Final = 2**20

_PIECE: Final = 2**20
_BLANK: Final = " \t\r\n"
_EXCERPT: Final = 300
_GZIP: Final = b"\x1f\x8b"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
#: Keys under which a file or an answer of an API may list its records.
_LISTS: Final = ("annotations", "records", "items", "results", "tasks", "examples", "rows", "answers", "events", "data")
#: Keys of a record of its own, which may hold a list under one of the above.
_COLUMNS: Final = frozenset({"id", "row_id", "responses", "fields", "text", "label"})
_OF_RECORDS: Final = frozenset({"row_id", "text", "fields", "responses", "label", "result", "action", "id", "inputs"})

_LOOKED_AT: Final = 20
_LINES: Final = 8192

_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a file.

    Attributes
    ----------
    number
        Number of the value's line, or of the value in its file, from 1.
    value
        Value as a Python object.
    """

    number: int
    value: Any


class Source:
    """A file that can be looked into before it is read from its beginning.

    Parameters
    ----------
    file
        File that is open for reading, and stays so.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._head = file.read(HEAD)
        self.packed = self._head.startswith(_GZIP)

    @property
    def head(self) -> str:
        """The beginning of its text."""
        data = self._head
        if self.packed:
            try:
                data = zlib.decompressobj(31).decompress(data, HEAD)
            except zlib.error:
                return ""
        return data.decode(encoding_of(data), errors="replace").removeprefix("\ufeff")

    @property
    def encoding(self) -> str:
        """UTF-8, unless a mark at its beginning says UTF-16."""
        data = self._head
        return "utf-8" if self.packed else encoding_of(data)

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        if self._head:
            data, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return data if size >= 0 else data + self._file.read()
        return self._file.read(size)


def encoding_of(head: bytes) -> str:
    """Tell UTF-16 by its mark; all else is taken for UTF-8."""
    return "utf-16" if head.startswith(_WIDE) else "utf-8"


def is_json(head: str) -> bool:
    """Tell whether a text begins as an object or an array of them does."""
    start = head.lstrip(_BLANK)
    return start[:1] == "{" or (start[:1] == "[" and start[1:].lstrip(_BLANK)[:1] in ("{", "]"))


def is_lines(head: str, name: str) -> bool:
    """Tell whether a text has an object on each line, rather than one that goes over several, or an array."""
    start = head.lstrip(_BLANK)
    lines = [line for line in start.split("\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip(_BLANK)]
    if start[:1] == "[":
        return len(lines) > 1 and _whole(lines[0])
    objects = [found for line in lines if (found := _object(line)) is not None]
    if len(lines) == 1 and objects:
        return listed(objects[0]) == objects
    if lines and _object(lines[0]) is not None:
        return True
    if _whole(start):
        return False
    return 2 * len(objects) >= len(lines) > 1 or split_suffix(name)[0] in BY_LINE


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _whole(text: str) -> bool:
    try:
        _decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_lines(lines: LineReader) -> Iterator[Value | Reject]:
    """Read the object on each line; what is none is set aside with its line."""
    while True:
        first = lines.taken + 1
        block = lines.take(_LINES)
        if not block.lines and not block.rejects:
            return
        for number, raw in enumerate(block.lines, first):
            text = raw.strip(_BLANK)
            if not text:
                continue
            try:
                value, end = _decode(text)
            except (ValueError, RecursionError) as error:
                yield Reject(number, Code.BAD_JSON, not_json(error), text[:_EXCERPT])
                continue
            if end < len(text):
                message = f"more after the JSON value, from character {end + 1} of {len(text)}; write one per line"
                yield Reject(number, Code.BAD_JSON, message, text[:_EXCERPT])
                continue
            yield Value(number, value)
        yield from block.rejects


def read_values(source: Source) -> Iterator[Value | Reject]:
    """Read the elements of an array, or values one after the other, up to where the file is damaged.

    A single object that only lists others stands for these.
    """
    text, number = _Text(source), 0
    first = text.peek()
    if first is None:
        yield text.broken or Reject(None, Code.EMPTY_FILE, "the file is empty; export it again")
        return
    in_array = first == "["
    if in_array:
        text.advance()
    while (mark := text.peek()) is not None and not (in_array and mark == "]"):
        if number and mark == ",":
            text.advance()
            if text.peek() is None:
                break
        found = text.next_value()
        if isinstance(found, Reject):
            yield found
            return
        number += 1
        if number == 1 and not in_array and text.peek() is None:
            yield from (Value(at, value) for at, value in enumerate(listed(found[0]), 1))
        else:
            yield Value(number, found[0])
    if text.broken is not None:
        yield text.broken
    elif in_array and text.peek() is None:
        yield text.remark("the array is not closed: the file breaks off here; export it again")


def listed(value: Any) -> list[Any]:
    """Give the records that an object lists: under one key, by id, or column by column; else the value alone."""
    if not isinstance(value, dict):
        return [value]
    columns = [name for name, column in value.items() if isinstance(column, list)]
    of_one_length = len(columns) == len(value) > 1 and len({len(value[name]) for name in columns}) == 1
    if of_one_length and _COLUMNS & value.keys():
        return [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)]
    if value and all(isinstance(one, dict) and ("responses" in one or "fields" in one) for one in value.values()):
        return list(value.values())
    lists = [name for name in _LISTS if isinstance(value.get(name), list)]
    if len(lists) == 1 and not _OF_RECORDS & value.keys() and not isinstance(value.get("data"), dict):
        return list(value[lists[0]])
    return [value]


class _Text:
    """The text of a file, as far as it is read, and where in it the next value begins."""

    def __init__(self, source: Source) -> None:
        self._read = _reader(source)
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._passed = 0
        self._ended = False
        self.broken: Reject | None = None

    def peek(self) -> str | None:
        """Give what comes after blanks, ``None`` at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _BLANK:
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                return None

    def advance(self) -> None:
        """Pass one character."""
        self._at += 1

    def next_value(self) -> tuple[Any] | Reject:
        """Read a value, and as much of the file as it needs."""
        while True:
            try:
                value, end = _decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError):
                    return self.remark("not JSON that can be read from here on: nested too deep; export it again")
                if len(self._buffer) - self._at > LONGEST:
                    return self.remark(f"no record within {LONGEST:,} characters; export the file again")
                if self._more(len(self._buffer) - self._at):
                    continue
                if self.broken is not None:
                    return self.broken
                reason = getattr(error, "msg", error)
                return self.remark(f"not JSON from here on ({reason}); export the file again")
            self._at = end
            if end > _PIECE:
                self._forget()
            return (value,)

    def remark(self, message: str) -> Reject:
        """Say what is wrong here."""
        line = self._line + self._buffer.count("\n", 0, self._at)
        place = f"line {line}, character {self._passed + self._at + 1}"
        return Reject(None, Code.TRUNCATED, f"{place}: {message}", self._buffer[self._at : self._at + _EXCERPT])

    def _forget(self) -> None:
        self._line += self._buffer.count("\n", 0, self._at)
        self._passed += self._at
        self._buffer = self._buffer[self._at :]
        self._at = 0

    def _more(self, at_least: int = 0) -> bool:
        """Read on, at least as much as there is, so that a long value is not read over and over."""
        if self._ended:
            return False
        try:
            piece = self._read(max(_PIECE, at_least))
        except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
            self.broken, piece = self.remark(f"the file cannot be read from here on ({error}); export it again"), ""
        self._ended = not piece
        self._buffer += piece
        return bool(piece)


class _Raw(io.RawIOBase):
    """Bytes of a source, for those who want a file."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _reader(source: Source) -> Callable[[int], str]:
    """Give what reads text on, unpacked; a stray byte becomes half a surrogate pair, and only its record is lost."""
    raw: Any = io.BufferedReader(_Raw(source))
    if source.packed:
        raw = gzip.GzipFile(fileobj=raw)
    encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")

    def read(size: int) -> str:
        while True:
            data = raw.read1(size)  # read would drop what it already has when the next piece is broken
            text = decoder.decode(data, final=not data)
            if text or not data:
                return text

    return read
