"""A data set of Hugging Face's ``datasets``, as ``datasets.load_from_disk`` reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar

import pyarrow as pa

from beambell.errors import ArtefactError
from beambell.exports.formats.format import Draft, Format, TableWriter, needed
from beambell.exports.record import ExportedFile
from beambell.store import Partition, canonical_json, digest
from beambell.store.files import HashingSink

_ALL = "train"
"""Name of the only split where none are asked for, as ``datasets`` itself has it."""


class HuggingFace(Format):
    """Arrow files that ``datasets`` maps into memory; ``label`` is a ``ClassLabel``, -1 where there is none.

    Raises
    ------
    UsageError
        If ``datasets`` is not installed.
    """

    name: ClassVar[str] = "hf"
    suffix: ClassVar[str] = ".arrow"
    is_one_file: ClassVar[bool] = False

    def __init__(self) -> None:
        if find_spec("datasets") is None:
            raise needed("datasets", self.name)

    @contextmanager
    def writer(self, sink: HashingSink, schema: pa.Schema) -> Iterator[TableWriter]:
        """Write a stream of record batches."""
        written = _written(schema)
        with pa.ipc.new_stream(sink, written) as writer:
            yield _Cast(writer, written)

    def file_name(self, partition: Partition, split: str, sha256: str) -> str:
        """Path in the export of a part's file, below that of its split."""
        return super().file_name(partition, split or _ALL, sha256)

    def finish(self, draft: Draft) -> None:
        """Write what ``datasets`` looks for, and let it look.

        Raises
        ------
        ArtefactError
            If it does not find the rows that were written.
        """
        splits: dict[str, list[ExportedFile]] = {}
        for file in (file for part in draft.parts for file in part.files):
            splits.setdefault(file.split or _ALL, []).append(file)
        info = {"citation": "", "description": "", "homepage": "", "license": "", "features": _features(draft)}
        documents: dict[str, Any] = {"dataset_dict.json": {"splits": list(splits)}}
        for split, files in splits.items():
            names = [{"filename": file.name.removeprefix(f"{split}/")} for file in files]
            made_from = digest([file.sha256 for file in files])[:16]
            documents[f"{split}/state.json"] = {**_STATE, "_data_files": names, "_fingerprint": made_from}
            documents[f"{split}/dataset_info.json"] = info
        for name, document in documents.items():
            draft.folder.put(name, canonical_json(document))
        _look(draft, {split: sum(file.rows for file in files) for split, files in splits.items()})


_STATE: dict[str, Any] = {
    "_format_columns": None,
    "_format_kwargs": {},
    "_format_type": None,
    "_output_all_columns": False,
    "_split": None,
}


class _Cast:
    def __init__(self, writer: pa.ipc.RecordBatchStreamWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._schema))


def _written(schema: pa.Schema) -> pa.Schema:
    """Schema of the files: a ``ClassLabel`` is kept in 64 bits."""
    return pa.schema([pa.field("label", pa.int64()) if field.name == "label" else field for field in schema])


def _features(draft: Draft) -> Any:
    from datasets import ClassLabel, Features

    features = Features.from_arrow_schema(_written(draft.schema))
    features["label"] = ClassLabel(names=list(draft.classes))
    return features.to_dict()


def _look(draft: Draft, rows: dict[str, int]) -> None:
    from datasets import load_from_disk

    if not rows:
        return
    found = {split: data.num_rows for split, data in load_from_disk(draft.folder.path("")).items()}
    if found != rows:
        raise ArtefactError(
            f"datasets finds {found} rows where {rows} were written", where=str(draft.out), fix="export as parquet"
        )
