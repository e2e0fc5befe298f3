"""``streams`` of ``params.yaml``: where the files of a stream arrive, and how they are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from beambell.config.places import Pattern, Text
from beambell.config.section import Section

Grain = Literal["hour", "day", "month"]
FieldType = Literal["string", "int", "float", "bool"]
_FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}
RESERVED_COLUMNS = frozenset({"id", "ts", "dt", "stream", "label", "entropy"})


SPELLED_OUT = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "none": ""}
"""Words for characters that are hard to write in YAML or in a shell."""


def _character_or_none(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    character = SPELLED_OUT.get(value, value)
    if len(character) > 1 or character in ("\r", "\n"):
        raise ValueError("write one character, or the word for it: tab; or none")
    return character


def _character(value: Any) -> Any:
    if _character_or_none(value) == "":
        raise ValueError("write one character")
    return _character_or_none(value)


Delimiter = Annotated[str, BeforeValidator(_character)]
Quote = Annotated[str, BeforeValidator(_character_or_none)]


UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_DURATION = re.compile(rf"(\d{{1,6}}) ?({'|'.join(UNITS)})s?", re.ASCII)


def _duration(value: Any) -> Any:
    if value is False or value in ("off", "none"):  # YAML reads `off` as false
        return None
    if isinstance(value, str) and not _DURATION.fullmatch(value.strip()):
        raise ValueError(f"write a number of {'s, '.join(UNITS)}s, such as 2 days, or off")
    return value


Duration = Annotated[str | None, BeforeValidator(_duration)]
"""Time such as ``2 days``; ``off`` is none."""


def duration_of(text: str) -> timedelta:
    """Read a time such as ``2 days``."""
    match = _DURATION.fullmatch(text.strip())
    assert match is not None  # or it had been refused
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


class CsvParams(Section):
    """How delimited text is written; what is not given is told from each file's first lines.

    Attributes
    ----------
    delimiter
        Character between columns, or ``tab``. ``None``: the one of ``,`` ``;`` tab and ``|`` by which the header has
        the stream's columns.
    quote
        Character around texts, or ``none`` where quotes mean nothing. ``None``: ``"``, or ``'`` where the header has
        it.
    escape
        Character before a quote inside of a text, mostly a backslash, or ``none`` where such quotes are doubled.
        ``None``: a backslash where files can be read so and not with doubled quotes.
    null
        Cells that stand for nothing, beside the empty one.
    """

    delimiter: Delimiter | None = None
    quote: Quote | None = None
    escape: Quote | None = None
    null: tuple[str, ...] = (r"\N",)

    @model_validator(mode="before")
    @classmethod
    def _null_is_a_word(cls, tree: Any) -> Any:
        # To YAML the key `null` is no text, and -999 among its values a number.
        if not isinstance(tree, dict):
            return tree
        tree = {"null" if key is None else key: value for key, value in tree.items()}
        if isinstance(words := tree.get("null"), list | tuple):
            tree["null"] = [str(word) if isinstance(word, int | float) else word for word in words]
        return tree

    @model_validator(mode="after")
    def _characters_are_distinct(self) -> CsvParams:
        given = [character for character in (self.delimiter, self.quote, self.escape) if character]
        if len(set(given)) < len(given):
            raise ValueError("delimiter, quote and escape must differ; where quotes are doubled, set escape: none")
        return self


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError("Python knows no such encoding of text; utf-8 and cp1252 are common ones") from None
    return name


class StreamParams(Section):
    """One stream of records: where its files arrive and what its columns mean.

    Attributes
    ----------
    inputs
        Globs relative to the project (or fsspec URLs). ``{dt}`` in a pattern is the day of delivery.
        Files are ordered by path; of two records with one id, the later in that order wins.
    grain
        Length of a partition in event time: ``hour``, ``day`` or ``month``, in UTC.
    first
        First expected partition; records before it are quarantined as misdated.
    id
        Column of the record's id; ``None`` gives each record the hash of its content.
    text
        Column of the text.
    time
        Column of the event time (ISO 8601; epoch seconds or milliseconds when numeric).
    fields
        Further columns to keep, with their types.
    undated
        Place of records without a time: ``quarantine``, ``delivery`` (the ``{dt}`` of their file), or a fixed partition
        such as ``2015-01``. Unparsable times are always quarantined.
    removed
        Fate of the rows of a file that is gone: ``withdraw`` takes them out, ``keep`` leaves them.
    encoding
        Encoding of text formats, unless a file begins with a byte order mark.
    future
        Largest time by which an event may be later than the delivery of its file: minutes, hours, days or weeks, such
        as ``2 days``. Later ones are quarantined. ``off`` believes every time.
    csv
        Format of CSV and TSV files.
    delimiter
        Older name of ``csv.delimiter``.
    max_text_chars
        Largest number of characters of a text; longer ones are quarantined.
    """

    inputs: tuple[Pattern, ...] = Field(min_length=1)
    grain: Grain = "day"
    first: Text | None = None
    id: Text | None = None
    text: Text = "text"
    time: Text = "ts"
    fields: dict[Text, FieldType] = Field(default={})
    undated: Text = "quarantine"
    future: Duration = "2 days"
    removed: Literal["withdraw", "keep"] = "withdraw"
    encoding: Annotated[Text, AfterValidator(_known_encoding)] = "utf-8"
    csv: CsvParams = CsvParams()
    delimiter: Delimiter | None = None
    max_text_chars: int = Field(default=100_000, gt=0)

    @model_validator(mode="after")
    def _delimiter_is_one(self) -> StreamParams:
        if self.delimiter is not None and self.csv.delimiter not in (None, self.delimiter):
            raise ValueError("delimiter and csv.delimiter differ; leave out delimiter, the older name")
        return self

    @model_validator(mode="after")
    def _dates_are_partitions(self) -> StreamParams:
        for key, date in (("first", self.first), ("undated", self.undated)):
            if date is not None and date not in ("quarantine", "delivery") and not self._is_partition(date):
                form = datetime(2026, 1, 3, 7, tzinfo=UTC).strftime(_FORMATS[self.grain])
                raise ValueError(f"{key}: {date!r} is not a partition of grain {self.grain}, such as {form!r}")
        if self.first in ("quarantine", "delivery"):
            raise ValueError(f"first: {self.first!r} is no date")
        return self

    def _is_partition(self, date: str) -> bool:
        try:
            return datetime.strptime(date, _FORMATS[self.grain]).strftime(_FORMATS[self.grain]) == date  # noqa: DTZ007
        except ValueError:
            return False

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> StreamParams:
        # Every column keeps its configured name beside id, ts and provenance, so none may shadow those.
        for column in (self.text, *self.fields):
            if column in RESERVED_COLUMNS or column.startswith("_"):
                raise ValueError(f"column {column!r} is reserved; rename it upstream or leave it out")
        if self.text != "text" and "text" in self.fields:
            raise ValueError("'text' is the name by which every stream's text is known; rename that field upstream")
        if self.text in self.fields:
            raise ValueError(f"column {self.text!r} is the text and must not be listed in fields again")
        if self.undated == "delivery" and not all("{dt}" in pattern for pattern in self.inputs):
            raise ValueError("undated: delivery needs {dt} in every pattern of inputs")
        return self

    @property
    def as_csv(self) -> CsvParams:
        """How its CSV files are written, under both names of the delimiter."""
        return self.csv if self.delimiter is None else self.csv.model_copy(update={"delimiter": self.delimiter})

    @property
    def tolerance(self) -> timedelta | None:
        """How much later than its delivery an event may be; None where every time is believed."""
        if self.future is None:
            return None
        return duration_of(self.future)
