"""What of a live job is an alarm for Airflow."""

from __future__ import annotations

from typing import Any

import pytest

RUNNING: dict[str, Any] = {
    "state": "running",
    "at": 1_000.0,
    "streams": {"mails": {"stalled": [], "parts": {"000": {"error": ""}, "001": {"error": "connection refused"}}}},
}


def stalled(*parts: str) -> dict[str, Any]:
    mails = RUNNING["streams"]["mails"]
    return {**RUNNING, "streams": {"mails": {**mails, "stalled": list(parts)}}}


@pytest.mark.usefixtures("in_dags_folder")
@pytest.mark.parametrize(
    ("status", "now", "said"),
    [
        ({}, 1_000.0, None),
        ({"state": "stopped"}, 9_000.0, None),
        (RUNNING, 1_001.0, None),
        (RUNNING, 1_500.0, "nothing for 500 s"),
        ({**RUNNING, "state": "died"}, 1_001.0, "beambell live start --detach"),
        (stalled("000"), 1_001.0, "mails/000"),
        (stalled("000", "001"), 1_001.0, "mails/000, mails/001 (connection refused)"),
    ],
)
def test_an_alarm_says_what_is_wrong_and_what_to_do(status, now, said):
    from live_alarms import alarm

    found = alarm(status, now)
    assert (found is None) == (said is None)
    assert said is None or said in found
