"""What a project has around its data: files for git, DVC, tests and CI. Those that are there already are left alone."""

from __future__ import annotations

from typing import Final

_README: Final = """\
# {name}

Labels by rules: a project of [BeamBell](https://pypi.org/project/beambell/).

```
pip install beambell
beambell run                    # every stage that has something to do
beambell lf list                # the labeling functions, and what they voted
beambell labels export --format csv --out labels.csv --with rows
beambell predict new.csv --out predicted.csv
```

| where | what |
|---|---|
| `params.yaml` | columns, classes, label model, gate, model |
| `labeling_functions/` | the rules; `beambell lf new NAME --kind keyword` adds one, `beambell lf test NAME` tries it |
| `tests/` | a test of the rules: `pytest` |
| `data/raw/` | files of records, a folder for each stream: put new ones there, and run again |
| `data/` | all that is made; not in git |
| `dvc.yaml` | the same stages for `dvc repro`; made by `beambell dvc` |
"""

_GITIGNORE: Final = """\
# All that is made, and the raw data: keep them in DVC, or elsewhere.
/data/
.beambell/
__pycache__/
.pytest_cache/
.*.beambell-draft/
"""

_DVCIGNORE: Final = """\
# Byte code is no dependency of a stage.
__pycache__/
*.pyc
"""

_TEST: Final = '''\
"""The labeling functions load, vote for classes that there are, and fail on no row, however odd."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from beambell import Project
from beambell.labeling import evaluate
from beambell.records.seen import seen_schema

PROJECT = Project(Path(__file__).parents[1])
TEXTS = ["", " ", "a text", "A TEXT?", "1,000 $", "größer als 🦜", "line\\nbreak", "x" * 10_000]


@pytest.mark.parametrize("stream", PROJECT.params.streams)
def test_no_labeling_function_fails(stream: str) -> None:
    schema = seen_schema(PROJECT.params.streams[stream])
    row = {"ts": datetime(2026, 1, 3, tzinfo=UTC)}
    texts = {"text", PROJECT.params.streams[stream].text}
    rows = [{"id": str(i), **row, **dict.fromkeys(texts, text)} for i, text in enumerate(TEXTS)]
    table = pa.Table.from_pylist(rows, schema)
    cardinality = PROJECT.params.cardinality
    lfs = [lf for lf in PROJECT.catalogue if lf.streams is None or stream in lf.streams]
    found = evaluate([lf for lf in lfs if not hasattr(lf, "aggregate")], table, cardinality=cardinality, stream=stream)
    assert found.dead_letters == ()
'''

_HOOKS: Final = """\
# pip install pre-commit; pre-commit install
repos:
  - repo: local
    hooks:
      - id: labeling-functions
        name: the labeling functions load and fail on no row
        entry: beambell lf test
        language: system
        files: ^(labeling_functions/|params\\.yaml$)
        pass_filenames: false
      - id: dvc-yaml
        name: dvc.yaml is what the stages are
        entry: beambell dvc
        language: system
        files: ^params\\.yaml$
        pass_filenames: false
"""

_CI: Final = """\
# An example: checks the labeling functions of every change.
name: labeling functions
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install beambell pytest
      - run: pytest -q
"""


def around(name: str) -> dict[str, str]:
    """Texts of these files, by path."""
    return {
        "README.md": _README.format(name=name),
        ".gitignore": _GITIGNORE,
        ".dvcignore": _DVCIGNORE,
        ".pre-commit-config.yaml": _HOOKS,
        ".github/workflows/labeling-functions.yml": _CI,
        "tests/test_labeling_functions.py": _TEST,
    }
