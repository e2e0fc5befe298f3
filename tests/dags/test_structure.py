"""What must hold for every DAG in the folder, read once by Airflow's own parser in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    *("apache_beam", "beam_jobs", "beambell", "duckdb", "dvc", "great_expectations", "gto", "labeling_functions"),
    *("numba", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "snorkel", "torch", "yaml", "pydantic"),
}
PARSE_LIMIT_S = 1.0  # of processor time, which a busy machine does not stretch

# First each file as plain Python, so that the modules it brings are its own and not those of Airflow's parser.
READ = """
import json, pathlib, runpy, sys, time
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))

import airflow.sdk
from airflow.sdk import Asset, BaseOperator, CronPartitionTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException
task.python  # the decorators load their provider when they are first used

before, modules, parse_s = set(sys.modules), {}, {}
for file in sorted(folder.glob("*.py")):
    started = time.process_time()
    runpy.run_path(str(file))
    parse_s[file.name] = time.process_time() - started
    modules[file.name] = sorted(set(sys.modules) - before)

from airflow.dag_processing.dagbag import DagBag
bag = DagBag(str(folder))
for dag in bag.dags.values():
    dag.check_cycle()
json.dump({
    "import_errors": bag.import_errors,
    "modules": modules,
    "parse_s": parse_s,
    "dags": {
        dag.dag_id: {
            "doc": dag.doc_md, "tags": sorted(dag.tags), "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
            "order": [task.task_id for task in dag.topological_sort()],
            "tasks": {
                task.task_id: {
                    "owner": task.owner, "retries": task.retries, "doc": task.doc_md,
                    "timeout_s": task.execution_timeout and task.execution_timeout.total_seconds(),
                    "upstream": sorted(task.upstream_task_ids),
                    "outlets": [asset.name for asset in task.outlets],
                } for task in dag.tasks
            },
        } for dag in bag.dags.values()
    },
}, open(sys.argv[2], "w"))
"""


@pytest.fixture(scope="module")
def facts(dags_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow-home")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(dags_folder), str(home / "facts.json")],
        env={**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((home / "facts.json").read_text())


def test_every_file_parses(facts: dict[str, Any]) -> None:
    assert facts["import_errors"] == {}
    assert "label_partition" in facts["dags"]


def test_parsing_is_fast_and_brings_nothing_heavy(facts: dict[str, Any]) -> None:
    assert max(facts["parse_s"].values()) < PARSE_LIMIT_S
    for file, modules in facts["modules"].items():
        assert HEAVY.isdisjoint(name.split(".")[0] for name in modules), file


def test_every_dag_and_task_says_whose_it_is_and_what_it_does(facts: dict[str, Any]) -> None:
    for dag_id, dag in facts["dags"].items():
        assert dag["doc"], dag_id
        assert dag["tags"], dag_id
        for task_id, task in dag["tasks"].items():
            assert task["owner"] not in {"", "airflow"}, (dag_id, task_id)
            assert task["doc"], (dag_id, task_id)


def test_every_task_ends_by_itself_and_outlives_a_hiccup(facts: dict[str, Any]) -> None:
    for dag_id, dag in facts["dags"].items():
        for task_id, task in dag["tasks"].items():
            assert task["timeout_s"], (dag_id, task_id)
            assert task["retries"] > 0, (dag_id, task_id)


def test_label_partition_is_one_chain_over_one_key(facts: dict[str, Any]) -> None:
    dag = facts["dags"]["label_partition"]
    stages = ["check_key", "ingest", "aggregate", "apply_lfs", "merge", "fit", "label", "validate"]
    assert dag["order"] == stages
    assert [dag["tasks"][name]["upstream"] for name in stages] == [[], *([name] for name in stages[:-1])]
    assert not dag["catchup"]
    assert dag["max_active_runs"] == 1
    assert {name for name, task in dag["tasks"].items() if task["outlets"]} == {"validate"}
