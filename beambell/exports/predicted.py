"""Predict the rows of a file: every column as it was, and beside it what the model says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from beambell.config import StreamParams
from beambell.errors import UsageError, storage_errors
from beambell.exports.formats.csv import Csv
from beambell.exports.formats.format import Format
from beambell.exports.formats.jsonl import JsonLines
from beambell.exports.formats.parquet import Parquet
from beambell.project import Project
from beambell.records.cells import KINDS, convert
from beambell.records.chunk import Chunk, Faults, Wanted
from beambell.records.dialect import Asked
from beambell.records.format import RecordFile, format_of
from beambell.records.seen import TEXT
from beambell.registry.served import CHAMPION, ServedModel, served_model
from beambell.store.files import HashingSink
from beambell.store.local import LocalFolder
from beambell.store.reaching import open_file

PREDICTED, MODEL = "predicted", "model"
_SHOWN: Final = 3


@dataclass
class Predicted:
    """What was predicted.

    Attributes
    ----------
    model, file, out
        Name of the version, and paths of the file and of what was written; ``None`` for stdout.
    rows
        Number of rows.
    counts
        Number of rows by the class that was predicted.
    skipped
        Number of records that could not be read.
    warnings
        Sentences that a person should read.
    """

    model: str
    file: str
    out: str | None
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    warnings: list[str] = field(default_factory=list)


def predict_file(
    project: Project,
    file: str,
    *,
    out: str | None,
    stream: str | None = None,
    model: str = CHAMPION,
    replace: bool = False,
) -> Predicted:
    """Predict the class of every row of a file.

    Parameters
    ----------
    project
        Project of the model.
    file
        Path or URL of CSV, TSV, JSON lines or Parquet, also packed by gzip, as raw files are.
    out
        Path of the file to write, whose ending says the format; ``None`` for CSV on stdout.
    stream
        Name of the stream whose columns the file has; ``None`` for the only one whose text column it has.
    model
        Name of the version, ``champion`` or ``newest``.
    replace
        Whether a file that lies at ``out`` may be lost.

    Raises
    ------
    UsageError
        If the file has no text column, or ``out`` is not to be written.
    """
    served = served_model(project, model)
    writer = _format(out, replace=replace)
    with open_file(file, where=file) as opened:
        reading = _Reading(project, served, file, format_of(file)(opened, name=file, asked=Asked(spelling="")), stream)
        done = Predicted(served.name, file, out)
        with _sink(out) as sink, writer.writer(sink, reading.schema) as rows:
            for table in reading.tables(done):
                rows.write_table(table)
    return done


def _format(out: str | None, *, replace: bool) -> Format:
    if out is None:
        return Csv()
    formats: dict[str, Format] = {one.suffix: one for one in (Csv(), JsonLines(), Parquet())}
    suffix = Path(out).suffix.lower()
    if suffix not in formats:
        raise UsageError(f"{out} ends in none of {', '.join(formats)}", where="--out", fix="its ending says the format")
    if Path(out).exists() and not replace:
        raise UsageError("a file is there, and would be lost", where=out, fix="name another, or add --replace")
    return formats[suffix]


@contextmanager
def _sink(out: str | None) -> Iterator[HashingSink]:
    """Write to stdout, or to a file that appears when it is whole."""
    if out is None:
        yield HashingSink(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(out).absolute()
    folder = LocalFolder(str(path.parent), f".{path.name}.unfinished", lambda *_: None)
    with storage_errors(out):
        try:
            with folder.draft() as draft:
                yield HashingSink(draft.file)
                draft.publish(path.name)
        finally:
            folder.remove_tree(f".{path.name}.unfinished")


class _Reading:
    """A file of records on its way to predictions."""

    def __init__(self, project: Project, served: ServedModel, name: str, file: RecordFile, stream: str | None) -> None:
        self._served, self._name, self._file = served, name, file
        streams = project.params.streams
        project.select([stream] if stream else None)
        known = [TEXT, *(params.text for params in streams.values()), *served.fields]
        self._columns = file.names(tuple(dict.fromkeys(known)))
        self._text = _text_column(streams, stream, self._columns, name)
        self._types = {
            column: params.fields[column]
            for params in streams.values()
            for column in served.fields
            if column in params.fields
        }

    @property
    def schema(self) -> pa.Schema:
        """Schema of what is written: the file's columns as texts, then the predicted class and the probabilities."""
        taken = [PREDICTED, *(f"p_{name}" for name in self._served.classes), MODEL]
        self._names = {column: f"input_{column}" if column in taken else column for column in self._columns}
        of_file = [(name, pa.string()) for name in self._names.values()]
        proba = [(f"p_{name}", pa.float32()) for name in self._served.classes]
        return pa.schema([*of_file, (PREDICTED, pa.string()), *proba, (MODEL, pa.string())])

    def tables(self, done: Predicted) -> Iterator[pa.Table]:
        """Predict chunk by chunk."""
        schema, examples = self.schema, []
        bad_fields = 0
        for chunk in self._file.chunks(Wanted((), (), tuple(self._columns))):
            done.skipped += sum(reject.line is not None for reject in chunk.rejects)
            examples += [f"line {reject.line}: {reject.message}" for reject in chunk.rejects]
            n = len(chunk.lines)
            if not n:
                continue
            texts = {column: _texts(chunk, column) for column in self._columns}
            fields, bad = self._fields(chunk)
            bad_fields += bad
            proba = self._served.predict_proba({TEXT: texts[self._text].to_pylist(), **fields})
            yield self._table(texts, proba, schema, done)
        if done.skipped or examples:
            told = "; ".join(examples[:_SHOWN])
            done.warnings.append(f"{done.skipped:,} records of {self._name} could not be read: {told}")
        if bad_fields:
            done.warnings.append(f"{bad_fields:,} values of fields are not of their type, and count as missing")

    def _fields(self, chunk: Chunk) -> tuple[dict[str, Any], int]:
        """Give the fields that the model reads, those with a value of another type as missing, and their number."""
        found, bad = {}, 0
        for column in self._served.fields:
            if column in self._columns and column in self._types:
                faults = Faults()
                values = convert(chunk.cells[column], KINDS[self._types[column]], column, faults).to_pylist()
                for row in faults.by_row:
                    values[row] = None
                bad += len(faults.by_row)
                found[column] = values
        return found, bad

    def _table(self, texts: dict[str, pa.Array], proba: Any, schema: pa.Schema, done: Predicted) -> pa.Table:
        classes, best = self._served.classes, proba.argmax(axis=1)
        done.rows += len(best)
        for name, number in zip(classes, np.bincount(best, minlength=len(classes)).tolist(), strict=True):
            done.counts[name] = done.counts.get(name, 0) + number
        columns = {self._names[column]: values for column, values in texts.items()}
        columns[PREDICTED] = pa.array(classes).take(pa.array(best))
        columns |= {f"p_{name}": pa.array(proba[:, k].astype(np.float32)) for k, name in enumerate(classes)}
        columns[MODEL] = pa.repeat(self._served.name, len(best))
        return pa.table(columns).select(schema.names).cast(schema)


def _texts(chunk: Chunk, column: str) -> pa.Array:
    """Spell the cells of a column as text; what is no text stays as readable as it is."""
    cells = chunk.cells[column]
    if isinstance(cells, pa.Array):
        return cells.cast(pa.string())
    faults = Faults()
    texts = convert(cells, KINDS["string"], column, faults)
    if not faults.by_row:
        return texts
    return pa.array([None if value is None else str(value) for value in cells], pa.string())


def _text_column(streams: dict[str, StreamParams], stream: str | None, columns: tuple[str, ...], file: str) -> str:
    wanted = [streams[stream].text] if stream else [*{TEXT: None, **{one.text: None for one in streams.values()}}]
    found = [name for name in wanted if name in columns]
    if len(found) != 1:
        what = f"has the text columns {' and '.join(found)}" if found else f"has no column {' or '.join(wanted)}"
        raise UsageError(
            f"the file {what}; its columns are {', '.join(columns) or 'none'}",
            where=file,
            fix="say by --stream whose columns it has, or rename its column of texts to `text`",
        )
    return found[0]
