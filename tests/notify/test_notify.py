"""Notices reach a real webhook and a real mail server, once; what fails is said, and holds nothing up."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from notice_servers import MailServer, Webhook, served
from pydantic import ValidationError

from beambell.config.notifications import NotificationsParams
from beambell.notify import Notice, tell, told_before
from beambell.store.files import Files

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "h0peless-s3cret"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with served(Webhook()) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "data")


def notice(**other: Any) -> Notice:
    about = {"kind": "gate", "severity": "critical", "title": "the gate refuses comments/2026-01-03"}
    about |= {"figure": "coverage 0.21 <0.30 & more>", "look": "beambell gate show", "key": "comments/2026-01-03/1"}
    return Notice(**{**about, **other})


def params(**channels: Any) -> NotificationsParams:
    return NotificationsParams.model_validate({"to": channels})


def test_a_webhook_gets_each_notice_once(webhook: Webhook, files: Files) -> None:
    to = params(ops={"url": webhook.url})
    assert tell(files, to, notice()).sent == ("ops",)
    again = tell(files, to, notice(title="said in other words"))
    assert (again.sent, again.before) == ((), ("ops",))
    assert tell(files, to, notice(key="comments/2026-01-04/1")).sent == ("ops",)
    first, _ = webhook.told
    assert first["title"] == "BeamBell: the gate refuses comments/2026-01-03"
    assert first["type"] == "failure"
    assert "coverage 0.21 <0.30 & more>" in first["message"]
    assert "beambell gate show" in first["message"]


def test_kind_and_severity_route(webhook: Webhook, files: Files) -> None:
    to = params(
        all={"url": webhook.url, "severity": "info"},
        night={"url": webhook.url, "severity": "critical"},
        models={"url": webhook.url, "severity": "info", "kinds": ["model"]},
    )
    told = [tell(files, to, notice(kind=kind, severity=severity, key=f"{kind} {severity}")).sent
            for kind in ("gate", "model") for severity in ("info", "warning", "critical")]  # fmt: skip
    assert told == [
        ("all",),
        ("all",),
        ("all", "night"),
        ("all", "models"),
        ("all", "models"),
        ("all", "models", "night"),
    ]


def test_mail_arrives(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(MailServer()) as mails:
        url = f"mailto://127.0.0.1:{mails.server_address[1]}?from=beambell@example.org&to=oncall@example.org&mode=insecure"
        told = tell(files, params(mail={"url": url}), notice(title="two\r\nBcc: everybody@example.org"))
    assert (told.sent, dict(told.failed)) == (("mail",), {})
    (mail,) = mails.mails
    head = mail.split("\r\n\r\n")[0]
    assert "To: oncall@example.org" in head
    assert not [line for line in head.splitlines() if line.startswith("Bcc:")]


def test_a_failure_is_said_without_the_secret_and_tried_again(
    webhook: Webhook, files: Files, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    webhook.status = 503
    to = params(ops={"url": "${HOOK}"}, gone={"url": "${NOWHERE}"}, odd={"url": "${ODD}"})
    secrets = {"HOOK": f"json://user:{SECRET}@127.0.0.1:{webhook.server_port}/{SECRET}", "ODD": f"nosuch://{SECRET}"}
    told = tell(files, to, notice(), secrets)
    assert told.failed == {
        "ops": "the service answered 503",
        "gone": "the environment variable NOWHERE is not set",
        "odd": "its address is not one that Apprise understands",
    }
    webhook.status = 200
    assert tell(files, to, notice(), secrets).sent == ("ops",)
    assert len(told.complaints) == 3
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert SECRET not in caplog.text + "".join(told.complaints) + kept
    (record,) = told_before(files)
    assert (record["sent"], sorted(record["failed"])) == (["ops"], ["gone", "odd"])


def test_nobody_is_there_and_work_goes_on(files: Files, webhook: Webhook) -> None:
    webhook.server_close()
    told = tell(files, params(ops={"url": "json://127.0.0.1:9"}), notice())
    assert told.failed == {"ops": "it was refused, or nobody answered"}


def test_a_memory_that_cannot_be_kept_stops_nothing(webhook: Webhook, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the folder's place")
    assert tell(Files(tmp_path / "data"), params(ops={"url": webhook.url}), notice()).sent == ("ops",)


@pytest.mark.parametrize("url", ["slack://a/b/c", "https://hooks.example.org/T0/B0/x", "tgram://123:abc/1", ""])
def test_an_address_that_is_a_secret_belongs_into_the_environment(url: str) -> None:
    with pytest.raises(ValidationError):
        params(ops={"url": url})
