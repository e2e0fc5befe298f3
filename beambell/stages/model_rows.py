"""Rows as end models see them: the text as ``text``, and the fields that a model reads, whichever stream has them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from beambell.errors import TrainingError
from beambell.project import Project
from beambell.records.schema import ARROW_TYPES
from beambell.records.seen import TEXT

_FIELD = "field "
"""Beginning of a field's name beside labels: a field may be called as a column of labels is."""


def stored_columns(project: Project, stream: str, fields: Sequence[str]) -> list[str]:
    """Names of the columns of a stream's stored rows that an end model reads."""
    params = project.params.streams[stream]
    return list(dict.fromkeys([params.text, *(name for name in fields if name in params.fields)]))


def set_apart(rows: pa.Table, project: Project, stream: str, fields: Sequence[str]) -> pa.Table:
    """Give the fields of stored rows names that no column of labels has; those that are needed otherwise, too, stay."""
    params = project.params.streams[stream]
    for name in fields:
        if name in params.fields:
            rows = rows.append_column(_FIELD + name, rows[name])
            rows = rows if name == params.text else rows.drop_columns([name])
    return rows


def model_rows(project: Project, stream: str, rows: pa.Table, fields: Sequence[str]) -> pa.Table:
    """Give rows to an end model: ``text`` and its fields; those that the stream has not are null.

    Parameters
    ----------
    stream
        Name of the stream that the rows are of.
    rows
        Rows as they are stored, or with fields that were `set_apart`.
    fields
        Names of the fields that the model reads.
    """
    types, n = field_types(project, fields), rows.num_rows
    columns = {TEXT: rows[project.params.streams[stream].text]}
    for name, type_ in types.items():
        stored = _FIELD + name if _FIELD + name in rows.column_names else name
        known = name in project.params.streams[stream].fields and stored in rows.column_names
        columns[name] = rows[stored].cast(type_) if known else pa.nulls(n, type_)
    return pa.table(columns)


def field_types(project: Project, fields: Sequence[str]) -> dict[str, pa.DataType]:
    """Types of fields by name, of whichever stream has them.

    Raises
    ------
    TrainingError
        If no stream has such a field, or two have it with different types.
    """
    found: dict[str, pa.DataType] = {}
    for name in fields:
        kinds = {params.fields[name] for params in project.params.streams.values() if name in params.fields}
        if len(kinds) != 1 or name == TEXT:
            what = f"is {' in one stream and '.join(sorted(kinds))} in another" if kinds else "is in no stream"
            raise TrainingError(
                f"the field {name!r} {what}",
                where="model.options.fields in params.yaml",
                fix="name fields that the streams have under `fields`, of one type",
            )
        found[name] = ARROW_TYPES[kinds.pop()]
    return found
