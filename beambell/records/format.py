"""What a format of records is: declared once, as a class, and found by the suffix of a file's name.

A format turns a file into chunks of raw cells, with all that is lost on the way counted and in its place. What a loss
means, the caller says: of raw files it is quarantined, of feedback it is counted, of gold labels it is an error. To
add a format, add one class to a module of `beambell.records.formats`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import BinaryIO, ClassVar, Final

from beambell.errors import InputError
from beambell.kinds import Kinds
from beambell.records.chunk import Chunk, Wanted
from beambell.records.dialect import Asked
from beambell.records.text import LineReader, record_limit, split_suffix

LONGEST_TEXT: Final = 1_000_000
"""Number of characters of a text, from which on it is none where no parameter says."""


@dataclass(eq=False)
class RecordFile(ABC):
    """A file of records, open to be read once; each format is a class of its own.

    Attributes
    ----------
    source
        Raw bytes; it stays open.
    name
        Name of the file.
    batch_rows
        Number of records of a chunk, at most.
    encoding
        Encoding of texts, unless a mark at the beginning tells another.
    max_text_chars
        Number of characters of the longest text.
    asked
        Parts of the dialect that are known, of formats that have several.
    """

    source: BinaryIO
    name: str = ""
    batch_rows: int = 65_536
    encoding: str = "utf-8"
    max_text_chars: int = LONGEST_TEXT
    asked: Asked = field(default_factory=Asked)

    kind: ClassVar[str]
    """Name of the format."""
    title: ClassVar[str]
    """Word by which people call the format."""
    suffixes: ClassVar[tuple[str, ...]]
    """Endings of the names of its files, each with its dot, in lower case."""
    delimiter = ""
    """Character between the columns of a line; empty where there is none."""

    @abstractmethod
    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Columns of the file, as its beginning tells them, and before it is read.

        Parameters
        ----------
        known
            Names of columns that such files have.
        """

    @abstractmethod
    def chunks(self, wanted: Wanted) -> Iterator[Chunk]:
        """Read the file to its end, or to where it is damaged; no damage raises."""


class TextFile(RecordFile):
    """A file of lines of text, which may be packed by gzip."""

    newline: ClassVar[str] = "\n"
    """What ends a line, as for `open`: empty for CR, LF and CRLF."""

    @cached_property
    def lines(self) -> LineReader:
        """Its lines, unpacked and decoded."""
        limit = record_limit(self.max_text_chars)
        return LineReader(self.source, name=self.name, encoding=self.encoding, limit=limit, newline=self.newline)


_FORMATS: Final[Kinds[RecordFile]] = Kinds("format of records", InputError)
register = _FORMATS.register


@cache
def formats() -> dict[str, type[RecordFile]]:
    """Find all formats, by the suffixes of their files' names; those of a module stand together."""
    from beambell.records import formats as package

    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    found = sorted(_FORMATS.values(), key=lambda one: one.__module__)  # whichever was imported first
    return {suffix: one for one in found for suffix in one.suffixes}


def text_formats() -> dict[str, type[TextFile]]:
    """Find the formats of text, by the suffixes of their files' names."""
    return {suffix: one for suffix, one in formats().items() if issubclass(one, TextFile)}


def format_of(name: str) -> type[RecordFile]:
    """Tell a file's format by its suffix; text formats may end in ``.gz`` as well.

    Raises
    ------
    InputError
        If the suffix is none of those known.
    """
    suffix, packed = split_suffix(name)
    found = formats().get(suffix)
    if found is None or (packed and not issubclass(found, TextFile)):
        raise InputError(
            "unknown file format",
            where=name,
            fix=f"name it {', '.join(formats())}; text formats also with .gz; or narrow the stream's inputs",
        )
    return found
