"""What must hold for every DAG in the folder, read once by Airflow's own parser in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = {
    *("apache_beam", "beam_jobs", "beambell", "duckdb", "dvc", "great_expectations", "gto", "labeling_functions"),
    *("numba", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "snorkel", "torch", "fsspec"),
}
OTHER = """
streams:
  mails: {inputs: ["mails/{dt}.csv"], grain: hour}
  calls: {inputs: ["calls/{dt}.csv"], grain: hour}
  bills: {inputs: ["bills/{dt}.csv"], grain: month}
live:
  streams:
    calls: {folder: "incoming/calls/*.jsonl"}
schedule: {live_restart: on_failure}
"""
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

# Another project, of other streams: the same code.
import os
os.environ["BEAMBELL_PROJECT"] = sys.argv[3]
for name in ("schedule", "stages", "deliveries", "label_partition"):
    sys.modules.pop(name, None)
other = DagBag(str(folder / "label_partition.py"))
for name in ("schedule", "stages", "label_microbatch", "watch_live"):
    sys.modules.pop(name, None)
live = {}
for name in ("label_microbatch", "watch_live"):
    found = DagBag(str(folder / f"{name}.py"))
    assert not found.import_errors, found.import_errors
    live |= {dag.dag_id: [task.task_id for task in dag.topological_sort()] for dag in found.dags.values()}
json.dump({
    "import_errors": {**bag.import_errors, **other.import_errors},
    "other": {
        dag.dag_id: {"key": dag.timetable.key_format, "tasks": sorted(task.task_id for task in dag.tasks),
                     "ingest": dag.get_task("deliveries.ingest").streams} for dag in other.dags.values()
    },
    "live": live,
    "modules": modules,
    "parse_s": parse_s,
    "dags": {
        dag.dag_id: {
            "doc": dag.doc_md, "description": dag.description, "timetable": type(dag.timetable).__name__,
            "params": {name: dag.params.get_param(name).serialize() for name in dag.params},
            "paused": dag.is_paused_upon_creation,
            "tags": sorted(dag.tags), "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
            "order": [task.task_id for task in dag.topological_sort()],
            "tasks": {
                task.task_id: {
                    "owner": task.owner, "retries": task.retries, "doc": task.doc_md,
                    "timeout_s": task.execution_timeout and task.execution_timeout.total_seconds(),
                    "weight": [task.priority_weight, str(task.weight_rule)],
                    "followed": len(task.get_flat_relative_ids(upstream=False)),
                    "pool": task.pool, "upstream": sorted(task.upstream_task_ids), "rule": task.trigger_rule.value,
                    "tells": bool(task.on_failure_callback), "command": repr(getattr(task, "command", None)),
                    "stage": "command" in task.template_fields,
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
    other = tmp_path_factory.mktemp("other-project")
    (other / "params.yaml").write_text(OTHER)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(dags_folder), str(home / "facts.json"), str(other)],
        env={**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((home / "facts.json").read_text())


DAGS = {
    *("label_partition", "retrain_model", "ingest_feedback", "backfill_lfs", "promote_model", "maintenance"),
}


def test_every_file_parses(facts: dict[str, Any]) -> None:
    assert facts["import_errors"] == {}
    assert set(facts["dags"]) == DAGS


def test_where_there_is_a_live_source_it_is_landed_and_the_job_is_watched(facts: dict[str, Any]) -> None:
    assert facts["live"]["watch_live"] == ["watch"]
    tasks = facts["live"]["label_microbatch"]
    assert tasks[:2] == ["land", "anything_new"]
    label = facts["dags"]["label_partition"]["order"]
    assert {task.partition(".")[2] for task in tasks[2:]} <= {task.partition(".")[2] for task in label}
    assert tasks[2] == "labels.ingest"
    assert tasks[-1] == "labels.validate"


def test_parsing_is_fast_and_brings_nothing_heavy(facts: dict[str, Any]) -> None:
    assert max(facts["parse_s"].values()) < PARSE_LIMIT_S
    for file, modules in facts["modules"].items():
        assert HEAVY.isdisjoint(name.split(".")[0] for name in modules), file


def test_every_dag_and_task_says_whose_it_is_and_what_it_does(facts: dict[str, Any]) -> None:
    for dag_id, dag in facts["dags"].items():
        assert dag["doc"], dag_id
        assert dag["description"], dag_id
        assert "beambell" in dag["tags"], dag_id
        for task_id, task in dag["tasks"].items():
            assert task["owner"] not in {"", "airflow"}, (dag_id, task_id)
            assert task["doc"], (dag_id, task_id)


def test_every_task_ends_by_itself_and_outlives_a_hiccup(facts: dict[str, Any]) -> None:
    for dag_id, dag in facts["dags"].items():
        for task_id, task in dag["tasks"].items():
            assert task["timeout_s"], (dag_id, task_id)
            assert task["retries"] > 0, (dag_id, task_id)
            assert task["tells"] or task_id == "approve", (dag_id, task_id)


def test_whoever_writes_waits_in_the_pool_of_one(facts: dict[str, Any]) -> None:
    for dag_id, dag in facts["dags"].items():
        for task_id, task in dag["tasks"].items():
            looks_only = not task["stage"] or "--dry-run" in task["command"] or "'summary'" in task["command"]
            assert (task["pool"] == "default_pool") == looks_only, (dag_id, task_id)
            assert task["pool"] in {"default_pool", "beambell_writer"}


def test_a_decision_goes_first_in_the_queue(facts: dict[str, Any]) -> None:
    dags = facts["dags"]
    # Airflow's own rule: a task weighs as much as all that follow it, and itself.
    heaviest = max(1 + task["followed"] for dag in dags.values() for task in dag["tasks"].values())
    for task_id, task in dags["promote_model"]["tasks"].items():
        weight, rule = task["weight"]
        assert (weight > heaviest, rule) == (True, "absolute"), task_id


def test_no_dag_runs_what_it_missed_or_twice_at_once(facts: dict[str, Any]) -> None:
    for dag_id, dag in facts["dags"].items():
        assert not dag["catchup"], dag_id
        assert dag["max_active_runs"] == (4 if dag_id == "promote_model" else 1), dag_id


def test_what_only_others_start_is_switched_on(facts: dict[str, Any]) -> None:
    on = {dag_id for dag_id, dag in facts["dags"].items() if dag["paused"] is False}
    assert on == {"backfill_lfs", "promote_model"}


def test_every_field_of_a_trigger_form_explains_itself(facts: dict[str, Any]) -> None:
    for dag_id, dag in facts["dags"].items():
        assert dag["params"], dag_id
        for name, param in dag["params"].items():
            assert {"title", "type"} <= set(param["schema"]), (dag_id, name)
            assert param["schema"].get("description_md") or param["description"], (dag_id, name)


def test_label_partition_is_one_way_over_one_key(facts: dict[str, Any]) -> None:
    tasks = facts["dags"]["label_partition"]["tasks"]
    stages = ["deliveries.ingest", "votes.many_are_behind", "votes.backfill_lfs", "votes.feedback", "votes.aggregate"]
    stages += [
        "votes.apply_lfs",
        "votes.screen",
        "votes.merge",
        "labels.count",
        "labels.fit",
        "labels.label",
        "labels.validate",
    ]
    files = ["deliveries.files_of_comments", "deliveries.files_of_messages"]
    assert tasks[stages[0]]["upstream"] == files
    assert [tasks[name]["upstream"] for name in files] == [["deliveries.check_key"]] * 2
    assert [tasks[name]["upstream"] for name in stages[1:]] == [[name] for name in stages[:-1]]
    assert {name for name, task in tasks.items() if task["outlets"]} == {"labels.validate"}
    assert {name for name, task in tasks.items() if task["rule"] == "none_failed"} == {stages[0], stages[3]}


def test_the_dags_run_every_stage_there_is_in_its_order(facts: dict[str, Any]) -> None:
    from beambell.stages.order import STAGES

    runs = []
    for dag_id in ("label_partition", "retrain_model"):
        tasks = facts["dags"][dag_id]["tasks"]
        commands = [re.findall(r"'([^']*)'", tasks[name]["command"]) for name in facts["dags"][dag_id]["order"]]
        runs += [words[1] for words in commands if words and "--dry-run" not in words]
    assert runs == [stage.name for stage in STAGES]


def test_retraining_listens_to_the_labels(facts: dict[str, Any]) -> None:
    assert facts["dags"]["retrain_model"]["timetable"] == "PartitionedAssetTimetable"


def test_other_streams_need_no_other_code(facts: dict[str, Any]) -> None:
    hourly, monthly = facts["other"]["label_partition_hourly"], facts["other"]["label_partition_monthly"]
    assert (hourly["key"], monthly["key"]) == ("%Y-%m-%dT%H", "%Y-%m")
    assert (hourly["ingest"], monthly["ingest"]) == (["calls", "mails"], ["bills"])
    assert {"deliveries.files_of_calls", "deliveries.files_of_mails"} <= set(hourly["tasks"])
    assert set(facts["other"]) == {"label_partition_hourly", "label_partition_monthly"}


def test_the_defaults_are_those_of_the_project(in_dags_folder: None) -> None:
    from schedule import Schedule

    from beambell.config.models import PromotionParams
    from beambell.config.schedule import ScheduleParams

    mine = {
        name: value for name, value in vars(Schedule()).items() if name not in {"streams", "promotion", "live_streams"}
    }
    assert mine == ScheduleParams().model_dump()
    assert Schedule().promotion == PromotionParams().mode


def test_the_deployment_settings_are_ones_that_airflow_has() -> None:
    import shlex
    from importlib.util import find_spec

    import yaml

    (folder,) = find_spec("airflow").submodule_search_locations  # type: ignore[union-attr, misc]
    known = yaml.safe_load((Path(folder) / "config_templates" / "config.yml").read_text())
    options = {f"AIRFLOW__{s}__{o}".upper() for s, about in known.items() for o in about["options"]}
    text = (Path(__file__).parents[2] / "deploy" / "airflow.env").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines() if "=" in line]
    named = {line.partition("=")[0] for line in lines if line.startswith("AIRFLOW__")}
    assert len(named) > 15
    assert named <= options
    settings = dict(pair.split("=", 1) for pair in shlex.split(text, comments=True))
    assert not [name for name in settings if "SECRET" in name or "FERNET" in name or "CONN_BEAMBELL" in name]
    assert json.loads(settings["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])[0]["kwargs"]["subdir"] == "dags"
