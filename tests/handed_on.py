"""Texts that are hard to hand on, and ways to read what was handed on."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

ODD = [
    'He said "broken", twice',
    "two\nlines, broken",
    "carriage\r\nreturn?",
    "lone \r return",
    "line \u2028 separator \u2029 and \x85",
    "=HYPERLINK(broken)",
    "Größe, 大きさ, 🦜?",
    " spaces before and after ",
    "back\\slash \\n ?",
    "tab\there",
    "NULL",
    "NA",
    "0123",
    "\ufeffmark",
    "it's; a|pipe?",
]
"""Texts that formats of text are known to lose."""


def as_csv(rows: list[list[object]]) -> str:
    """Spell rows as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue()


def read_all(out: Path) -> list[dict[str, object]]:
    """Read every row of an export, whatever its format, as its users would."""
    import pyarrow.parquet as pq

    if (out / "dataset_dict.json").exists():
        import datasets

        return [row for split in datasets.load_from_disk(str(out)).values() for row in split.to_list()]
    if (out / "_delta_log").exists():
        import deltalake

        return deltalake.DeltaTable(str(out)).to_pyarrow_table().to_pylist()
    files = (
        [out] if out.is_file() else sorted(path for path in out.rglob("*") if path.is_file() and path.name[0] != "_")
    )
    rows: list[dict[str, object]] = []
    for path in files:
        if path.suffix == ".parquet":
            rows += pq.read_table(path).to_pylist()
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                rows += csv.DictReader(file)
        else:
            rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return rows
