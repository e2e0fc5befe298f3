"""Formats of exports, one module each; those that need a package of their own import it when they are asked for."""

from __future__ import annotations

from beambell.errors import UsageError
from beambell.exports.formats.csv import Csv
from beambell.exports.formats.delta import Delta
from beambell.exports.formats.format import Format
from beambell.exports.formats.hf import HuggingFace
from beambell.exports.formats.jsonl import JsonLines
from beambell.exports.formats.parquet import Parquet

_FORMATS: dict[str, type[Format]] = {kind.name: kind for kind in (Parquet, Csv, JsonLines, HuggingFace, Delta)}


def names() -> tuple[str, ...]:
    """Names of the formats there are."""
    return tuple(_FORMATS)


def format_named(name: str) -> Format:
    """Return the format of a name, ready to write.

    Raises
    ------
    UsageError
        If there is none, or the package that it needs is not installed.
    """
    if name not in _FORMATS:
        raise UsageError(f"there is no format {name!r}", where="--format", fix=f"choose of {', '.join(_FORMATS)}")
    return _FORMATS[name]()
