"""Stored rows under today's columns: what was read as one type is read again as another, by the rules of raw files."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from beambell.config import StreamParams
from beambell.records.cells import KINDS, convert
from beambell.records.chunk import Faults
from beambell.records.schema import Code, Reject, quarantine_table, row_schema


def conform(rows: pa.Table, stream: StreamParams) -> tuple[pa.Table, pa.Table]:
    """Give rows the columns that a stream has now.

    A column that was not kept is null, one that is not wanted goes. A value of another type is converted if that says
    the same; a row with one that does not is set aside, as a record of a raw file would be.

    Parameters
    ----------
    rows
        Rows as some earlier parameters had them: with ``id``, ``ts``, ``_file`` and ``_line``.
    stream
        Today's parameters.

    Returns
    -------
    rows, quarantined
        Tables of `row_schema`, and of `QUARANTINE_SCHEMA`; together they hold all rows.
    """
    schema, faults = row_schema(stream), Faults()
    if rows.schema.equals(schema):
        return rows, quarantine_table("", [])
    kinds = {stream.text: "string", **stream.fields}
    columns = {}
    for field in schema:
        column = rows[field.name].combine_chunks() if field.name in rows.column_names else None
        if column is None:
            columns[field.name] = pa.nulls(len(rows), field.type)
        elif field.name in kinds and column.type != field.type:
            columns[field.name] = _converted(column, stream.fields.get(field.name, "string"), field, faults)
        else:
            columns[field.name] = column.cast(field.type)
    faults.add_where(columns[stream.text].is_null(), Code.NULL_TEXT, f"column {stream.text!r} was not kept of this row")
    good = faults.good_rows(len(rows))
    files, lines = rows["_file"].to_pylist(), rows["_line"].to_pylist()
    quarantined = [
        quarantine_table(files[row], [Reject(lines[row], code, message)])
        for row, (code, message) in sorted(faults.by_row.items())
    ]
    table = pa.table(columns, schema=schema).filter(good)
    return table, pa.concat_tables([quarantine_table("", []), *quarantined])


def _converted(column: pa.Array, kind: str, field: pa.Field, faults: Faults) -> pa.Array:
    found = convert(column, KINDS[kind], field.name, faults)  # type: ignore[index]
    if pa.types.is_integer(column.type) and pa.types.is_floating(found.type):
        whole = [None if value is None else int(value) for value in found.to_pylist()]
        inexact = pc.not_equal(pa.array(whole, pa.decimal128(38)), column.cast(pa.decimal128(38)))
        faults.add_where(inexact, Code.BAD_VALUE, f"column {field.name!r}: no float is this number exactly")
    return found
