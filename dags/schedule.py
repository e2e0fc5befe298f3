"""What the DAGs read of ``params.yaml``: streams by grain, and the section ``schedule``. BeamBell is not imported.

The defaults are those of ``beambell.config.schedule``, which checks every key when a stage runs; a test compares them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cadence import Cadence, read_cron

DAG_IDS = {"hour": "label_partition_hourly", "day": "label_partition", "month": "label_partition_monthly"}


@dataclass(frozen=True)
class Stream:
    """One stream: its name, and the globs of its files."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Schedule:
    """The section ``schedule`` of ``params.yaml``, where every key is described, and what else the DAGs need.

    Attributes
    ----------
    streams
        By grain.
    promotion
        Mode of promotion: ``policy``, ``approval`` or ``off``.
    live_streams
        Names of the streams with a live source, sorted.
    """

    streams: dict[str, tuple[Stream, ...]] = field(default_factory=dict)
    promotion: str = "policy"
    hour: str = "10 * * * *"
    day: str = "0 0 * * *"
    month: str = "0 3 1 * *"
    wait_minutes: int = 0
    backfill_over: int = 60
    backfill_days: int = 7
    retrain: str = "labels"
    retrain_partitions: int = 1
    approval_hours: float = 24.0
    retry_minutes: float = 1.0
    feedback: str = "30 * * * *"
    maintenance: str = "30 4 * * *"
    microbatch: str = "*/10 * * * *"
    watch_live: str = "*/5 * * * *"
    live_restart: str = "never"
    live_streams: tuple[str, ...] = ()

    def cadence(self, grain: str) -> Cadence:
        """When the partitions of a grain are labelled."""
        return Cadence(grain, getattr(self, grain))

    @property
    def stream_names(self) -> list[str]:
        """Names of all streams, sorted."""
        return sorted(stream.name for streams in self.streams.values() for stream in streams)

    def only(self, grain: str) -> tuple[str, ...]:
        """Names of the streams of a grain where there are several grains; none where all have it."""
        return tuple(stream.name for stream in self.streams[grain]) if len(self.streams) > 1 else ()


def project_dir() -> Path:
    """Return the project the DAGs work on: ``BEAMBELL_PROJECT``, else the repository that holds this folder."""
    return Path(os.environ.get("BEAMBELL_PROJECT") or Path(__file__).parents[1]).resolve()


def read_schedule() -> Schedule:
    """Read the project's ``params.yaml``.

    Raises
    ------
    ValueError
        If it says nothing of streams, or something in ``schedule`` that no key allows, with its line. Airflow shows it
        as an import error; the DAGs that run already go on.
    """
    path = project_dir() / "params.yaml"
    text = path.read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    if not isinstance(tree, dict) or not isinstance(tree.get("streams"), dict):
        raise ValueError(f"{path}: there are no streams (see docs/operating.md)")  # noqa: TRY004 - a file's fault
    _refuse_credentials(path, text)
    streams: dict[str, list[Stream]] = {}
    for name, about in sorted(tree["streams"].items()):
        streams.setdefault(about.get("grain", "day"), []).append(Stream(name, tuple(about["inputs"])))
    given: dict[str, Any] = tree.get("schedule") or {}
    if unknown := sorted(set(given) - set(Schedule.__dataclass_fields__) | ({"live_streams"} & set(given))):
        raise ValueError(f"{path}: unknown key schedule.{unknown[0]}")
    promotion = (tree.get("promotion") or {}).get("mode", "policy")
    schedule = Schedule(
        streams={grain: tuple(some) for grain, some in streams.items()},
        promotion=promotion,
        live_streams=tuple(sorted((tree.get("live") or {}).get("streams") or ())),
        **given,
    )
    for key in ("hour", "day", "month", "feedback", "maintenance", "retrain", "microbatch", "watch_live"):
        try:
            if key in schedule.streams:
                schedule.cadence(key)
            elif key not in DAG_IDS and (key, schedule.retrain) != ("retrain", Schedule.retrain):
                read_cron(getattr(schedule, key))
        except ValueError as error:
            raise ValueError(f"{path}:{_line(text, 'schedule', key)}: schedule.{key}: {error}") from None
    return schedule


def _refuse_credentials(path: Path, text: str) -> None:
    """Refuse what a stage would refuse, too, before a page of Airflow shows it."""
    if "://" not in text:
        return
    from beambell.credentials import WHERE_THEY_BELONG, credentials  # needs nothing else of BeamBell

    for number, line in enumerate(text.splitlines(), 1):
        if found := credentials(line):
            raise ValueError(f"{path}:{number}: it holds {found}: {WHERE_THEY_BELONG}")


def _line(text: str, *place: str) -> int:
    """Line of a key, or of the nearest above it that is there."""
    node, line = yaml.compose(text), 1
    for part in place:
        found = [(key, value) for key, value in getattr(node, "value", ()) if key.value == part]
        if not found:
            break
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line
