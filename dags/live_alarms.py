"""What of a live job's status is an alarm, in one sentence each. Neither Airflow nor BeamBell is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DIED = "died"
SILENT_S = 120.0
"""Seconds without a word from a running job after which that is an alarm: its supervisor acts after a minute."""


def is_at_rest(status: Mapping[str, Any]) -> bool:
    """Whether no job is wanted: none ever ran, or it was stopped on purpose."""
    return status.get("state") in (None, "stopped")


def alarm(status: Mapping[str, Any], now: float) -> str | None:
    """Say what is wrong with a live job, and what to do; ``None`` if all is well.

    Parameters
    ----------
    status
        Document that `beambell live status --json` prints.
    now
        Time of day, seconds since 1970.
    """
    if is_at_rest(status):
        return None
    if status["state"] == DIED:
        return (
            "The live job died, and no supervisor looks after it. Nothing landed is lost. See .beambell/live.log, then "
            "`beambell live start --detach`."
        )
    if (silent := now - status["at"]) > SILENT_S:
        return (
            f"The live job has said nothing for {silent:.0f} s. Its supervisor should have started it again: see "
            "`beambell live status` and .beambell/live.log, then `beambell live restart`."
        )
    stalled = [
        f"{name}/{part}" + (f" ({said})" if (said := stream["parts"][part]["error"]) else "")
        for name, stream in sorted(status["streams"].items())
        for part in stream["stalled"]
    ]
    if stalled:
        return (
            f"Records wait, and none comes, from {', '.join(stalled)}. See that the source can be reached; then the "
            "job goes on by itself."
        )
    return None
