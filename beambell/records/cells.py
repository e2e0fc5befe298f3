"""From raw cells to typed columns: a fast reading decides what it is sure of, a slow one judges the rest.

The fast reading is Arrow's, over the whole column, and leaves null what it does not recognise; the slow one is
Python's, cell by cell, and alone may find fault. So speed never changes a result.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from beambell.config import FieldType
from beambell.records.chunk import Cells, Faults
from beambell.records.exact import Narrow, exact_until, is_exact
from beambell.records.identity import canonical_id, fast_ids
from beambell.records.schema import ARROW_TYPES, Code, readable


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of column is read.

    Attributes
    ----------
    type
        Type of the typed column.
    fast
        Column -> typed column, null where undecided; may raise `pa.ArrowException` to decide nothing.
    slow
        Value -> typed value, or None when absent; raises ``ValueError`` saying what it is not.
    code
        Code of the fault when ``slow`` raises.
    """

    type: pa.DataType
    fast: Callable[[pa.Array], pa.Array]
    slow: Callable[[Any], Any]
    code: Code = Code.BAD_VALUE


def convert(cells: Cells, kind: Kind, column: str, faults: Faults) -> pa.Array:
    """Type a column.

    Parameters
    ----------
    cells
        Raw values [n]; None and NaN are absent.
    kind
        Kind to read the values as.
    column
        Name of the column, for messages.
    faults
        Receives the rows whose value cannot be read.

    Returns
    -------
    pa.Array
        ``kind.type`` [n], null where absent or faulty.
    """
    array = as_arrow(cells)
    if array is not None and pa.types.is_null(array.type):
        return pa.nulls(len(cells), kind.type)
    decided = _try_fast(array, kind) if array is not None else pa.nulls(len(cells), kind.type)
    if decided.null_count == 0:
        return decided
    undecided = decided.is_null() if array is None else pc.and_(decided.is_null(), array.is_valid())
    rows = pc.indices_nonzero(undecided).to_pylist()
    if not rows:
        return decided
    judged = [_judge(_value(cells, row), kind, column, row, faults) for row in rows]
    return pc.replace_with_mask(decided, undecided, pa.array(judged, kind.type))


def as_arrow(cells: Cells) -> pa.Array | None:
    """Give cells as an Arrow array where they all fit one type; text is checked to be valid."""
    try:
        array = cells if isinstance(cells, pa.Array) else pa.array(cells)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if is_binary(array.type):
            return array.cast(pa.string())
    except (pa.ArrowException, OverflowError, UnicodeError):
        return cells if isinstance(cells, pa.Array) else None
    return array


def is_binary(kind: pa.DataType) -> bool:
    """Tell whether values are byte strings of any length."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _try_fast(array: pa.Array, kind: Kind) -> pa.Array:
    try:
        return kind.fast(array)
    except (pa.ArrowException, OverflowError):
        return pa.nulls(len(array), kind.type)


class _Unrepresentable:
    """A value that Arrow holds and Python cannot, such as the year 30000.

    Parameters
    ----------
    cell
        The value.
    """

    def __init__(self, cell: pa.Scalar) -> None:
        self._spelled = f"{getattr(cell, 'value', '?')} as {cell.type}"

    def __repr__(self) -> str:
        return f"a value out of range ({self._spelled})"


def _value(cells: Cells, row: int) -> Any:
    if isinstance(cells, list):
        return cells[row]
    try:
        value = cells[row].as_py()
        is_narrow = value is not None and pa.types.is_floating(cells.type) and cells.type.bit_width < 64
        return Narrow(value, cells.type) if is_narrow else value
    except (ValueError, OverflowError):
        return _Unrepresentable(cells[row])


def _judge(value: Any, kind: Kind, column: str, row: int, faults: Faults) -> Any:
    if value is None or value != value:  # noqa: PLR0124  NaN is how pandas writes an absent value
        return None
    try:
        return kind.slow(value)
    except UnicodeError:
        faults.add(
            row,
            Code.BAD_ENCODING,
            f"column {column!r} is not valid Unicode: {_broken_part(value)}; "
            "convert the file to UTF-8, or set the stream's encoding in params.yaml",
        )
    except (ValueError, OverflowError) as error:
        shown = readable(value if isinstance(value, str) else repr(value), 80)
        faults.add(row, kind.code, f"column {column!r}: {shown!r} is not {error}")
    return None


def _broken_part(value: Any) -> str:
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    found = re.search("[\ud800-\udfff]", text)
    at = found.start() if found else 0
    return f"...{readable(text[max(0, at - 15) : at + 15])}... at character {at + 1}"


# --- strings ---------------------------------------------------------------------------------------------------


def _fast_string(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) or pa.types.is_large_string(array.type):
        return array.cast(pa.string())
    return pa.nulls(len(array), pa.string())


def _slow_string(value: Any) -> str:
    text = _spell(value)
    text.encode()  # half a surrogate pair is a str to Python, and text to nobody else
    return text


def _spell(value: Any) -> str:
    match value:
        case str():
            return value
        case bytes():
            return value.decode()
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | UUID():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case float() | dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_spell)
        case _:
            raise ValueError("something that can be written as text")


# --- numbers ---------------------------------------------------------------------------------------------------

_INT: Final = re.compile(r"[+-]?\d+", re.ASCII)
_FLOAT: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)
_INT_WANTED: Final = "a whole number of 64 bits; correct it, or give the field another type in params.yaml"
_FLOAT_WANTED: Final = "a finite number; correct it, or give the field another type in params.yaml"
_BOOL_WANTED: Final = "true, false, 1 or 0; correct it, or give the field another type in params.yaml"


def fast_digits(text: pa.Array, pattern: str) -> pa.Array:
    """Read the strings that match a pattern of integers of at most 18 digits; int64, null elsewhere."""
    return keep(text, pc.match_substring_regex(text, pattern)).cast(pa.int64())


def keep(array: pa.Array, mask: pa.Array) -> pa.Array:
    """Give the array with null outside the mask."""
    return array if pc.all(mask).as_py() else pc.if_else(mask, array, pa.scalar(None, array.type))


def _fast_int(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        return fast_digits(array, r"^-?[0-9]{1,18}$")
    if pa.types.is_floating(array.type):
        wide = array.cast(pa.float64())
        exact = pc.and_(pc.equal(pc.floor(wide), wide), pc.less(pc.abs(wide), float(exact_until(array.type))))
        return keep(wide, exact).cast(pa.int64())
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64())
    return pa.nulls(len(array), pa.int64())


def _slow_int(value: Any) -> int | None:
    number: Any = value
    if isinstance(value, str | bytes):
        text = _spell(value).strip()
        if not text:
            return None
        is_int = len(text) <= 40 and _INT.fullmatch(text)
        number = int(text) if is_int else _number(text, _INT_WANTED)
    if is_exact(number) if isinstance(number, float) else isinstance(number, Decimal) and number % 1 == 0:
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number not in _INT64:
        raise ValueError(_INT_WANTED)
    return number


def _fast_float(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        array = keep(array, pc.match_substring_regex(array, r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"))
    elif not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
        return pa.nulls(len(array), pa.float64())
    wide = array.cast(pa.float64())
    return keep(wide, pc.is_finite(wide))


def _slow_float(value: Any) -> float | None:
    if isinstance(value, str | bytes):
        text = _spell(value).strip()
        return _number(text, _FLOAT_WANTED) if text else None
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not is_number or not abs(value) <= sys.float_info.max:
        raise ValueError(_FLOAT_WANTED)
    return float(value)


def _number(text: str, wanted: str) -> float:
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    if not math.isfinite(number):
        raise ValueError(wanted)
    return number


_WORDS: Final = {"true": True, "false": False, "1": True, "0": False}


def _fast_bool(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        return array
    return pa.nulls(len(array), pa.bool_())


def _slow_bool(value: Any) -> bool | None:
    if isinstance(value, str | bytes):
        value = _spell(value).strip().lower()
        if not value:
            return None
        value = _WORDS.get(value)
    if value not in (True, False):
        raise ValueError(_BOOL_WANTED)
    return bool(value)


KINDS: Final[dict[FieldType, Kind]] = {
    "string": Kind(ARROW_TYPES["string"], _fast_string, _slow_string),
    "int": Kind(ARROW_TYPES["int"], _fast_int, _slow_int),
    "float": Kind(ARROW_TYPES["float"], _fast_float, _slow_float),
    "bool": Kind(ARROW_TYPES["bool"], _fast_bool, _slow_bool),
}
ID: Final = Kind(pa.string(), fast_ids, canonical_id)
