"""What follows from a person's answer, and who is told of a failure."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from projects import change_params

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("in_dags_folder")

AT = datetime(2026, 1, 9, 8, tzinfo=UTC)
PARAMS = {"action": "promote", "reason": "looks good", "override": False}


def given(choice: str, name: str | None) -> dict[str, Any]:
    user = {"id": "1", "name": name} if name else None
    return {"chosen_options": [choice], "params_input": {}, "responded_at": AT, "responded_by_user": user}


@pytest.mark.parametrize(("choice", "verb"), [("Approve", "promote"), ("Reject", "decline")])
def test_an_answer_becomes_a_command_and_plain_json(choice: str, verb: str) -> None:
    from promote_model import decide

    record = decide(given(choice, "ann"), params=PARAMS, version="spam@v3", user="bob")
    assert json.loads(json.dumps(record)) == record
    assert record["command"][:4] == ["beambell", "models", verb, "spam@v3"]
    assert record["command"][4:] == ["--by", "ann", "--reason", "looks good", "--at", AT.isoformat()]


def test_no_answer_leaves_everything_as_it_is() -> None:
    from promote_model import decide

    record = decide(given("Reject", None), params=PARAMS, version="spam@v3", user="bob")
    assert (record["decision"], record["command"]) == ("no answer", [])


def test_what_is_served_already_needs_no_command() -> None:
    from promote_model import decide

    assert decide(None, params=PARAMS, version="spam@v3", user="bob", served=True)["command"] == []


def test_a_rollback_names_its_version_so_that_a_retry_does_not_go_back_twice() -> None:
    from promote_model import decide

    record = decide(None, params={**PARAMS, "action": "rollback"}, version="spam@v1", user="bob")
    assert record["command"] == [
        *("beambell", "models", "rollback", "--to", "spam@v1", "--by", "bob", "--reason", "looks good")
    ]


def test_an_override_is_for_promotions_only() -> None:
    from promote_model import decide

    params = {**PARAMS, "override": True}
    assert "--override" in decide(None, params=params, version="spam@v1", user="bob")["command"]
    assert "--override" not in decide(given("Reject", "ann"), params=params, version="spam@v1", user="bob")["command"]


def asking(minutes: float, passed_s: float) -> tuple[Any, dict[str, Any]]:
    """The task that asks, and its context some time after it did."""
    from promote_model import APPROVE, REJECT, ApprovalOperator

    figures = {"version": "spam@v2", "champion": "spam@v1"}
    ti = SimpleNamespace(max_tries=20, xcom_pull=lambda **_: {"figures": figures})
    store = {"asked": 20, "since": time.time() - passed_s}
    wait = timedelta(minutes=minutes)
    operator = ApprovalOperator(task_id="approve", subject="?", options=[APPROVE, REJECT], response_timeout=wait)
    return operator, {"dag_run": SimpleNamespace(conf={}), "ti": ti, "task_state_store": store}


def test_a_try_after_the_question_was_asked_does_not_ask_again() -> None:
    from airflow.sdk.exceptions import TaskAwaitingInput

    operator, context = asking(60, 0)
    with pytest.raises(TaskAwaitingInput):  # to ask takes a supervisor, which is not here
        operator.execute(context)


@pytest.mark.parametrize(("passed_s", "again_s"), [(0, 10), (100, 100), (2000, 1600), (3599.5, 1)])
def test_the_question_is_looked_after_whenever_it_is_twice_as_old(passed_s: float, again_s: float) -> None:
    from airflow.sdk.exceptions import TaskAwaitingInput

    operator, context = asking(60, passed_s)
    with pytest.raises(TaskAwaitingInput) as waiting:
        operator.execute_complete(context, {"error_type": "timeout"})
    assert waiting.value.timeout.total_seconds() == pytest.approx(again_s, abs=1)


def test_when_its_time_is_up_nobody_answered() -> None:
    from promote_model import decide

    operator, context = asking(60, 3601)
    answer = operator.execute_complete(context, {"error_type": "timeout"})
    made = decide(answer, params=PARAMS, version="spam@v1", user="bob")
    assert (made["decision"], made["command"]) == ("no answer", [])


# -- alerts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def webhook() -> Iterator[Any]:
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.headers.get("Authorization"), json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/hook", told=told)
        server.shutdown()
        thread.join()


def failure() -> Any:
    ti = SimpleNamespace(dag_id="label_partition", task_id="labels.validate", try_number=1, log_url="http://here/log")
    run = SimpleNamespace(run_id="manual", partition_key="2026-01-03")
    return {"ti": ti, "dag_run": run, "exception": ValueError("no such column\nstage=apply event=started\nand more")}


def connect(monkeypatch: pytest.MonkeyPatch, **fields: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BEAMBELL_WEBHOOK", json.dumps({"conn_type": "http", **fields}))


def test_a_failure_is_told_to_the_webhook(webhook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from alerts import on_failure

    connect(monkeypatch, host=webhook.url, password="s3cret")
    on_failure(failure())
    ((authorization, message),) = webhook.told
    assert authorization == "Bearer s3cret"
    assert message["text"].startswith(
        "BeamBell: label_partition.labels.validate of partition 2026-01-03 failed (try 1)"
    )
    assert "failed (try 1): no such column\nand more\nhttp://here/log" in message["text"]
    assert "s3cret" not in json.dumps(message)


def test_a_failure_is_told_to_the_channels_of_the_project_once(
    webhook: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from alerts import _notify

    from beambell.workshop.starter import start

    start(tmp_path / "p")
    change_params(tmp_path / "p", notifications={"to": {"ops": {"url": "${OPS}"}}})
    monkeypatch.setenv("BEAMBELL_PROJECT", str(tmp_path / "p"))
    monkeypatch.setenv("OPS", webhook.url.replace("http://", "json://"))
    message = {"dag_id": "d", "task_id": "t", "run_id": "r", "try_number": 1, "text": "--odd", "log_url": ""}
    _notify(message)
    _notify(message)
    assert len(webhook.told) == 1


def test_a_broken_webhook_is_logged_without_its_secret_and_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from alerts import on_failure

    connect(monkeypatch, host="http://127.0.0.1:9/hook", password="s3cret")
    on_failure(failure())
    assert "was not told: URLError" in caplog.text
    assert "s3cret" not in caplog.text
