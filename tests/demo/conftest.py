"""One generated data set for all tests here, and a reader of its own that trusts nothing but file and line."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from beambell.demo import Summary, generate


@dataclass(frozen=True)
class Record:
    stream: str
    file: str
    fields: dict[str, Any]
    time: datetime
    label: int

    @property
    def delivered(self) -> date:
        return date.fromisoformat(Path(self.file).name[:10])


@dataclass(frozen=True)
class DataSet:
    root: Path
    summary: Summary
    gold: list[dict[str, Any]]
    records: list[Record]


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    root = tmp_path_factory.mktemp("demo") / "raw"
    summary = generate(root, scale=0.1)
    gold = pq.read_table(root.parent / "gold" / "gold.parquet").to_pylist()
    return DataSet(root, summary, gold, list(_records(root, gold)))


def _records(root: Path, gold: list[dict[str, Any]]) -> Iterator[Record]:
    files: dict[str, Any] = {}
    for row in gold:
        name = row["file"]
        if name not in files:
            files[name] = _content(root / name)
        fields = _at(name, files[name], row["line"])
        time = fields["created_at" if row["stream"] == "comments" else "sent_at"]
        time = time if isinstance(time, datetime) else datetime.fromisoformat(time)
        yield Record(row["stream"], name, fields, time, row["label"])


def _content(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [line.decode("utf-8", "replace") + "\n" for line in content.split(b"\n")]


def _at(name: str, content: Any, line: int) -> dict[str, Any]:
    if name.endswith(".parquet"):
        return dict(content[line - 1])
    if name.endswith(".csv"):
        header, record = content[0].strip().split(","), next(csv.reader(islice(content, line - 1, None), strict=True))
        return dict(zip(header, record, strict=True))
    return dict(json.loads(content[line - 1]))
