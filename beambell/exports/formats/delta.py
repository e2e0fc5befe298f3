"""A Delta Lake table: Parquet files by stream and ``dt``, and a log in which each export is one more version."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

import pyarrow as pa

from beambell.errors import ArtefactError, UsageError
from beambell.exports.formats.format import Draft, Format, TableWriter, needed
from beambell.exports.formats.parquet import Parquet
from beambell.exports.place import take_over
from beambell.exports.record import ExportedFile
from beambell.store import Partition, digest
from beambell.store.files import HashingSink

_LOG: Final = "_delta_log"
_BY: Final = ("stream", "dt")
_UNFIT = re.compile(r"[ ,;{}()\n\t=]")
_TYPES: Final = {
    pa.string(): "string",
    pa.int8(): "byte",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.bool_(): "boolean",
}


class Delta(Format):
    """A table that ``deltalake``, Spark and DuckDB read. An export over an older one adds a version to its log.

    Column names have ``_`` for the characters that the format forbids, such as spaces. Files of replaced versions are
    gone, as after a vacuum.

    Raises
    ------
    UsageError
        If ``deltalake`` is not installed.
    """

    name: ClassVar[str] = "delta"
    suffix: ClassVar[str] = ".parquet"
    is_one_file: ClassVar[bool] = False

    def __init__(self) -> None:
        if find_spec("deltalake") is None:
            raise needed("deltalake", self.name)

    @contextmanager
    def writer(self, sink: HashingSink, schema: pa.Schema) -> Iterator[TableWriter]:
        """Write a file of all columns but those of the partition, which the log has."""
        names = _fit(schema)
        inside = [name for name in schema.names if name not in _BY]
        fields = [schema.field(name).with_name(names[name]) for name in inside]
        with Parquet().writer(sink, pa.schema(fields)) as writer:
            yield _Renamed(writer, inside, [names[name] for name in inside])

    def file_name(self, partition: Partition, split: str, sha256: str) -> str:
        """Path in the export of a part's file: a file of a Delta table never changes, so its name holds its digest."""
        return f"{partition.folder}/{split or 'part'}-{sha256[:16]}{self.suffix}"

    def finish(self, draft: Draft) -> None:
        """Add a version to the log, if anything changed, and let ``deltalake`` look.

        Raises
        ------
        ArtefactError
            If it does not find the files that were written.
        """
        log = [file for file in draft.before.others if file.name.startswith(_LOG)] if draft.before else []
        for file in log:
            take_over(draft.out / file.name, Path(draft.folder.path(file.name)), file)
        old = {} if not log or draft.before is None else draft.before.part_files
        new = {file.name: file for part in draft.parts for file in part.files}
        schema = _schema(draft.schema)
        actions: list[dict[str, Any]] = []
        if not log or draft.before is None or draft.before.facts["columns"] != _columns(draft.schema):
            actions += [*([] if log else [_PROTOCOL]), _metadata(draft, schema)]
        actions += [_remove(old[name]) for name in sorted(old.keys() - new.keys())]
        actions += [_add(new[name]) for name in sorted(new.keys() - old.keys())]
        if actions:
            lines = "".join(json.dumps(action, ensure_ascii=False, sort_keys=True) + "\n" for action in actions)
            draft.folder.put(f"{_LOG}/{len(log):020d}.json", lines.encode())
        _look(draft, len(new))


class _Renamed:
    def __init__(self, writer: TableWriter, columns: list[str], names: list[str]) -> None:
        self._writer, self._columns, self._names = writer, columns, names

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table.select(self._columns).rename_columns(self._names))


_PROTOCOL: Final = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}


def _metadata(draft: Draft, schema: str) -> dict[str, Any]:
    id_ = digest([draft.out.name, schema])
    uuid = "-".join([id_[:8], id_[8:12], id_[12:16], id_[16:20], id_[20:32]])
    format_ = {"provider": "parquet", "options": {}}
    return {
        "metaData": {
            "id": uuid,
            "format": format_,
            "schemaString": schema,
            "partitionColumns": list(_BY),
            "configuration": {},
        }
    }


def _values(file: ExportedFile) -> dict[str, str]:
    partition = Partition.from_folder(file.name.rpartition("/")[0])
    return {"stream": partition.stream, "dt": partition.dt}


def _add(file: ExportedFile) -> dict[str, Any]:
    # The time of a change is required, and a clock would give other bytes to the same labels.
    stats = json.dumps({"numRecords": file.rows})
    return {
        "add": {
            "path": file.name,
            "partitionValues": _values(file),
            "size": file.bytes,
            "modificationTime": 0,
            "dataChange": True,
            "stats": stats,
        }
    }


def _remove(file: ExportedFile) -> dict[str, Any]:
    return {
        "remove": {
            "path": file.name,
            "partitionValues": _values(file),
            "size": file.bytes,
            "extendedFileMetadata": True,
            "deletionTimestamp": 0,
            "dataChange": True,
        }
    }


def _columns(schema: pa.Schema) -> Mapping[str, str]:
    return {field.name: str(field.type) for field in schema}


def _fit(schema: pa.Schema) -> dict[str, str]:
    """Names of columns as the format allows them."""
    names = {name: _UNFIT.sub("_", name) for name in schema.names}
    folded = [name.casefold() for name in names.values()]
    if twice := sorted(name for name, fit in names.items() if folded.count(fit.casefold()) > 1):
        raise UsageError(
            f"the columns {' and '.join(twice)} have one name in a Delta table",
            where="--format delta",
            fix="export as parquet, or give classes and fields names that differ in more than capitals and spaces",
        )
    return names


def _schema(schema: pa.Schema) -> str:
    names = _fit(schema)
    fields = [
        {
            "name": names[field.name],
            "type": "timestamp" if pa.types.is_timestamp(field.type) else _TYPES[field.type],
            "nullable": True,
            "metadata": {},
        }
        for field in schema
    ]
    return json.dumps({"type": "struct", "fields": fields}, ensure_ascii=False)


def _look(draft: Draft, files: int) -> None:
    from deltalake import DeltaTable

    found = len(DeltaTable(draft.folder.path("")).file_uris())
    if found != files:
        raise ArtefactError(
            f"deltalake finds {found} files where {files} were written", where=str(draft.out), fix="export as parquet"
        )
