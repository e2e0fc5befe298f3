"""What docs/operating.md says of Airflow: the DAGs there are, the commands, the names."""

from __future__ import annotations

import re
from pathlib import Path

from projects import REPOSITORY

from beambell.config.schedule import ScheduleParams

TEXT = (REPOSITORY / "docs" / "operating.md").read_text().partition("## Airflow")[2].partition("## DVC")[0]


def test_every_dag_is_described_and_every_described_one_is_there() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    files = {path.stem for path in (REPOSITORY / "dags").glob("*.py") if "\n@dag(" in path.read_text()}
    assert named == files | {"label_partition"}


def test_the_make_targets_and_the_keys_it_names_are_there() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z-]+)", TEXT):
        assert f"\n{target}:" in makefile, target
    for key in re.findall(r"schedule\.(\w+)", TEXT):
        assert key in ScheduleParams.model_fields, key
    code = "".join(path.read_text() for folder in ("dags", "deploy") for path in Path(REPOSITORY / folder).glob("*.*"))
    for name in set(re.findall(r"`(beambell_\w+)`", TEXT)):
        assert name in code, name


def test_the_pictures_are_there_and_small() -> None:
    for picture in re.findall(r"\]\((pictures/[^)]+)\)", TEXT):
        assert (REPOSITORY / "docs" / picture).stat().st_size < 150_000
