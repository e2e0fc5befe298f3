"""Airflow for these tests alone: its own home, and the DAGs folder importable as Airflow makes it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow_services import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="session")
def dags_folder() -> Path:
    return DAGS


@pytest.fixture(scope="session")
def in_dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let this process import the DAG helpers, with no trace of it in the user's own Airflow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow-home")))
        patch.syspath_prepend(str(DAGS))
        yield


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """PostgreSQL of a module's own, if it is installed; its socket's path must be short."""
    if not Postgres.installed():
        yield {}
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        postgres = Postgres(Path(folder) / "pg")
        postgres.start()
        try:
            yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url}
        finally:
            postgres.stop()
