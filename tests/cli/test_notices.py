"""What a run, a decision and a test tell people."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from notice_servers import Webhook, served
from projects import change_params

from beambell.cli import main
from beambell.cli.notices import _of_gate
from beambell.config.notifications import NotificationsParams
from beambell.workshop.starter import start

if TYPE_CHECKING:
    from beambell.project import Project


def project(**notifications: Any) -> Project:
    params = SimpleNamespace(project="spam", notifications=NotificationsParams(**notifications))
    return SimpleNamespace(params=params)  # type: ignore[return-value]


def finding(message: str, severity: str = "critical") -> dict[str, str]:
    return {"message": message, "severity": severity}


DETAILS: dict[str, Any] = {
    "judged": ["comments/2026-01-03"],
    "failures": {
        "comments/2026-01-03": [finding("coverage 0.21"), finding("texts are short", "warning")],
        "comments/2026-01-01": [finding("told yesterday")],
    },
    "streams": {},
}


def test_a_refusal_names_partition_and_figure_and_nothing_that_was_told() -> None:
    (notice,) = _of_gate(project(), DETAILS)
    assert notice.title == "spam: the gate refuses comments/2026-01-03"
    assert notice.figure == "comments/2026-01-03: coverage 0.21"
    assert (notice.severity, notice.look) == ("critical", "beambell validate --json")
    assert _of_gate(project(), {**DETAILS, "judged": []}) == []


def test_other_findings_are_another_notice() -> None:
    other = {**DETAILS, "failures": {"comments/2026-01-03": [finding("coverage 0.19")]}}
    first, same, second = (_of_gate(project(), details)[0].key for details in (DETAILS, dict(DETAILS), other))
    assert first == same != second


def test_a_stream_that_stopped_is_told_and_many_are_summed_up() -> None:
    names = [f"comments/2026-01-{day:02d}" for day in range(1, 9)]
    details = {"judged": names, "failures": {name: [finding("empty")] for name in names}, "streams": {"mails": "gone"}}
    (notice,) = _of_gate(project(look="https://airflow.example.org"), details)
    assert notice.title.endswith("and 6 more")
    assert notice.figure.splitlines()[0] == "stream mails: gone"
    assert notice.figure.splitlines()[-1] == "and 4 more"
    assert notice.look == "https://airflow.example.org"


@pytest.fixture
def spam(tmp_path: Path) -> Path:
    start(tmp_path / "p")
    return tmp_path / "p"


def call(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str, str]:
    code: Any = 0
    try:
        main([*words, "--project", str(folder)])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err


SEND = ("notify", "send", "--kind", "task", "--severity", "critical", "--title", "t", "--event", "k")


@pytest.mark.parametrize("words", [("--kind", "weather"), ("--severity", "loud")])
def test_unknown_words_are_refused(words: tuple[str, str], spam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(spam, capsys, *SEND)[0] == 0
    code, _, err = call(spam, capsys, *SEND, *words)
    assert code == 2
    assert f"{words[0]} {words[1]} is not known" in err


def test_a_test_reaches_every_channel_each_time(spam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(spam, capsys, "notify", "test")[0] == 2  # there is no channel
    with served(Webhook()) as hook:
        change_params(spam, notifications={"to": {"ops": {"url": hook.url, "severity": "critical", "kinds": ["gate"]}}})
        for _ in range(2):
            code, out, _ = call(spam, capsys, "notify", "test", "--json")
            assert (code, json.loads(out)["sent"]) == (0, ["ops"])
        hook.status = 500
        code, out, err = call(spam, capsys, "notify", "test")
    assert (code, len(hook.told)) == (1, 3)
    assert "did not reach ops: the service answered 500" in err
    assert len(json.loads(call(spam, capsys, "notify", "list", "--json")[1])["told"]) == 3


def test_a_run_tells_a_refusal_and_a_champion_once(spam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(Webhook()) as hook:
        to = {"ops": {"url": hook.url, "severity": "info"}}
        change_params(spam, notifications={"to": to}, gate={"min_coverage": 0.75})
        hook.status = 500
        assert call(spam, capsys, "run", "--json")[0] == 3
        hook.told.clear()
        hook.status = 200
        assert call(spam, capsys, "run", "--json")[0] == 3  # which judges nothing, but tells what did not arrive
        first = [one["title"] for one in hook.told]
        assert call(spam, capsys, "run", "--json")[0] == 3
    assert first == [one["title"] for one in hook.told]
    assert "mails/2026-01-02" in first[0]
    assert "0.7; it must be at least 0.75" in hook.told[0]["message"]
