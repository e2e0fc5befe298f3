"""The operator's side of the contract with a stage: exit codes, the report on stdout, the log, and being killed."""

from __future__ import annotations

import contextvars
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[str], dict[str, Any]]

pytestmark = pytest.mark.usefixtures("in_dags_folder")


class Handed:
    """Takes what a task hands on, in place of Airflow's task instance."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.values[key] = value


@pytest.fixture
def handed() -> Handed:
    return Handed()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEAMBELL_PROJECT", str(tmp_path))
    connection = {"conn_type": "generic", "extra": {"STORE_KEY": "s3cret"}}
    monkeypatch.setenv("AIRFLOW_CONN_BEAMBELL_ENV", json.dumps(connection))
    return tmp_path


def execute(operator: Any, handed: Handed, **context_of_run: Any) -> dict[str, Any]:
    """Execute an operator as Airflow's task runner does, which alone may."""
    from airflow.sdk.bases.operator import ExecutorSafeguard

    context = contextvars.copy_context()
    context.run(ExecutorSafeguard.tracker.set, operator)
    return context.run(operator.execute, {"ti": handed, **context_of_run})


@pytest.fixture
def stage(project: Path) -> Callable[[str], Any]:
    """Make an operator for a stage whose code is given; the project's folder is where Python finds it."""
    from stages import StageOperator

    def make(code: str) -> StageOperator:
        (project / "a_stage.py").write_text(f"import json, os, subprocess, sys, time\n{code}\n")
        return StageOperator(task_id="a_stage", command=["a_stage", "--to", "2026-01-03"])

    return make


def test_a_stage_gets_its_arguments_and_its_report_is_returned(stage: Any, project: Path, handed: Handed) -> None:
    operator = stage("print(json.dumps({'argv': sys.argv[1:], 'cwd': os.getcwd()}))")
    assert execute(operator, handed) == {
        "argv": ["--to", "2026-01-03", "--project", str(project), "--json"],
        "cwd": str(project),
    }


def test_the_log_is_streamed_line_by_line(
    stage: Any, handed: Handed, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stage ends only when its first line has arrived here.
    operator = stage(
        "print('first', file=sys.stderr, flush=True)\n"
        "while not os.path.exists('seen'): time.sleep(0.01)\n"
        "print('größte Zeile', file=sys.stderr); print('{}')"
    )
    lines = []

    class Log:
        def info(self, message: str, *values: object) -> None:
            lines.append(message % values)
            if lines[-1] == "first":
                (project / "seen").touch()

    monkeypatch.setattr(type(operator), "log", Log())
    execute(operator, handed)
    assert lines[-2:] == ["first", "größte Zeile"]


@pytest.mark.parametrize("code", [1, 2, 3, 70])
def test_only_what_can_succeed_again_is_retried(stage: Any, handed: Handed, code: int) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    operator = stage(f"print('raw/a.csv:7: no such column', file=sys.stderr); sys.exit({code})")
    with pytest.raises(AirflowException, match=r"raw/a\.csv:7: no such column") as caught:
        execute(operator, handed)
    assert isinstance(caught.value, AirflowFailException) == (code in {2, 3})
    assert handed.values == {}


def test_a_failed_gate_still_hands_on_its_figures(stage: Any, handed: Handed) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="The quality gate said no"):
        execute(stage("print(json.dumps({'coverage': 0.1})); sys.exit(3)"), handed)
    assert handed.values == {"return_value": {"coverage": 0.1}}


def test_what_a_run_was_told_before_does_not_fail_it_again(project: Path, handed: Handed) -> None:
    from types import SimpleNamespace

    from airflow.sdk.exceptions import AirflowFailException
    from stages import ValidateOperator

    def validate(key: str, refused: list[str], judged: list[str]) -> Any:
        report = {"details": {"refused": refused, "judged": judged, "published": judged, "newest": None}}
        (project / "gate.py").write_text(f"import sys; print({json.dumps(report)!r}); sys.exit(3)")
        operator = ValidateOperator(task_id="validate", command=["gate"])
        return execute(operator, handed, dag_run=SimpleNamespace(partition_key=key), outlet_events={})

    assert validate("2026-01-03", ["mails/2026-01-01"], ["mails/2026-01-03"])
    for refused, judged in ((["mails/2026-01-03"], []), (["mails/2026-01-01"], ["mails/2026-01-01"])):
        with pytest.raises(AirflowFailException, match="The quality gate said no"):
            validate("2026-01-03", refused, judged)


def test_a_plan_that_is_too_small_skips(project: Path, handed: Handed) -> None:
    from airflow.sdk.exceptions import AirflowSkipException
    from stages import PlanOperator

    plan = {"stage": "train", "tasks": [{"key": "end model", "reason": "new"}], "figures": {"changed": 2}}
    (project / "planner.py").write_text(f"print({json.dumps({'plans': [plan]})!r})")

    def ask(least: int, **context: Any) -> Any:
        return execute(
            PlanOperator(task_id="a", command=["planner"], counted="changed", least=least), handed, **context
        )

    assert ask(2) == plan
    with pytest.raises(AirflowSkipException, match="2 of at least 3"):
        ask(3)
    assert ask(3, params={"force": True}) == plan


def test_secrets_reach_the_stage_and_nothing_else(
    stage: Any, handed: Handed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://ann:pass@db/airflow")
    got = "{'got': len(os.environ['STORE_KEY']), 'of Airflow': [n for n in os.environ if n.startswith('AIRFLOW_')]}"
    report = execute(stage(f"print(json.dumps({got}))"), handed)
    assert report == {"got": len("s3cret"), "of Airflow": ["AIRFLOW_HOME"]}
    with pytest.raises(AirflowException) as caught:
        execute(stage("print('the key is', os.environ['STORE_KEY'], file=sys.stderr); sys.exit(1)"), handed)
    assert "the key is ***" in str(caught.value)
    assert "s3cret" not in caplog.text


def test_arguments_that_are_empty_are_left_out_and_streams_narrow(project: Path, handed: Handed) -> None:
    from stages import StageOperator

    (project / "a_stage.py").write_text("import json, sys; print(json.dumps({'argv': sys.argv[1:-3]}))")
    operator = StageOperator(task_id="a", command=["a_stage", "", "--to", "x"], streams=("mails",))
    assert execute(operator, handed, params={"streams": []})["argv"] == ["--to", "x", "--stream", "mails"]
    chosen = execute(operator, handed, params={"streams": ["calls"]})
    assert chosen["argv"] == ["--to", "x", "--stream", "calls"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_stage_does_not_outlive_a_worker_that_is_killed(project: Path, dags_folder: Path) -> None:
    (project / "a_stage.py").write_text(
        "import os, time; open('pid.tmp', 'w').write(str(os.getpid())); os.rename('pid.tmp', 'pid'); time.sleep(60)"
    )
    code = (
        "from stages import StageOperator\n"
        "import stages; stages.stage_environment = dict\n"
        f"StageOperator(task_id='a', command=['a_stage'])._run(['a_stage'], {str(project)!r})"
    )
    environment = {**os.environ, "PYTHONPATH": str(dags_folder)}
    worker = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    try:
        while not (project / "pid").exists():
            assert worker.poll() is None
            time.sleep(0.05)
        stage = psutil.Process(int((project / "pid").read_text()))
        worker.send_signal(signal.SIGKILL)
        gone, _ = psutil.wait_procs([stage], timeout=10)
        assert gone or stage.status() == psutil.STATUS_ZOMBIE
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize("output", ["", "done\\n", "[1]"])
def test_a_stage_that_does_not_report_is_refused(stage: Any, handed: Handed, output: str) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="one JSON object on stdout"):
        execute(stage(f"sys.stdout.write('{output}')"), handed)


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_killed_stage_leaves_no_process(stage: Any, handed: Handed, project: Path, stubborn: bool) -> None:
    from airflow.sdk.exceptions import AirflowException

    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" if stubborn else ""
    operator = stage(
        f"{ignore}\nchild = subprocess.Popen(['sleep', '60'])\n"
        "open('pids.tmp', 'w').write(f'{os.getpid()} {child.pid}'); os.rename('pids.tmp', 'pids')\ntime.sleep(60)"
    )
    started: list[psutil.Process] = []

    def kill_once_started() -> None:
        while not (project / "pids").exists():
            time.sleep(0.01)
        started.extend(psutil.Process(int(pid)) for pid in (project / "pids").read_text().split())
        operator.on_kill()

    killer = threading.Thread(target=kill_once_started)
    killer.start()
    with pytest.raises(AirflowException, match="SIGKILL" if stubborn else "SIGTERM"):
        execute(operator, handed)
    killer.join()
    assert len(started) == 2
    _, alive = psutil.wait_procs(started, timeout=5)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_without_a_setting_the_project_is_the_repository(monkeypatch: pytest.MonkeyPatch, dags_folder: Path) -> None:
    from schedule import project_dir

    monkeypatch.delenv("BEAMBELL_PROJECT", raising=False)
    assert project_dir() == dags_folder.parent
