"""Telling: each notice to each channel that wants it, once; a failure is counted and said, and stops no work."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from beambell.config.notifications import NotificationsParams
from beambell.notify.channel import NotSentError, address, send
from beambell.notify.notice import Notice
from beambell.store.files import Files
from beambell.store.layout import Layout

_RETRIED_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a notice.

    Attributes
    ----------
    notice
        The notice.
    sent
        Names of the channels that it was sent to now.
    before
        Names of the channels that had it before.
    failed
        Reason of each channel that it did not reach, by the channel's name.
    """

    notice: Notice
    sent: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def complaints(self) -> tuple[str, ...]:
        """Sentence about each failure."""
        return tuple(
            f"the notice {self.notice.title!r} did not reach {name}: {why}; `beambell notify test` tries the channels"
            for name, why in self.failed.items()
        )


def tell(
    files: Files, params: NotificationsParams, notice: Notice, environment: Mapping[str, str] | None = None
) -> Told:
    """Send a notice to the channels that want it and do not have it yet. Nothing is raised.

    Parameters
    ----------
    files
        Data root, which remembers what was sent.
    params
        Settings that name the channels.
    notice
        The notice.
    environment
        Variables that hold the secrets; by default those of the process.
    """
    channels = {name: channel for name, channel in sorted(params.to.items()) if notice.is_for(channel)}
    if not channels:
        return Told(notice)
    variables = os.environ if environment is None else environment
    had = set(_read(files, notice.id).get("sent", ()))
    sent, failed = [], {}
    for name, channel in channels.items():
        if name in had:
            continue
        try:
            send(address(channel.url, variables), notice)
            sent.append(name)
        except NotSentError as error:
            failed[name] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, work goes on; its text may hold the address
            failed[name] = type(error).__name__
    told = Told(notice, tuple(sent), tuple(sorted(had & set(channels))), failed)
    if sent or failed:
        _remember(files, told, had)
    return told


def told_before(files: Files) -> list[dict[str, Any]]:
    """Return what was told, oldest first: the notice, the time, who got it, and where it failed."""
    found = [_read(files, name.removesuffix(".json")) for name in files.list(Layout.NOTICES) if name.endswith(".json")]
    return sorted((one for one in found if one), key=lambda one: (one["at"], one["notice"]["key"]))


def unfinished(files: Files) -> list[Notice]:
    """Return the notices of the last day that did not reach all channels, oldest first."""
    since = time.time() - _RETRIED_S
    return [Notice(**one["notice"]) for one in told_before(files) if one["failed"] and one["at"] > since]


def _remember(files: Files, told: Told, had: set[str]) -> None:
    document = {
        "notice": asdict(told.notice),
        "at": time.time(),
        "sent": sorted(had | set(told.sent)),
        "failed": dict(told.failed),
    }
    with suppress(Exception):  # at worst it is sent again
        files.write(f"{Layout.NOTICES}/{told.notice.id}.json", json.dumps(document, ensure_ascii=False).encode())


def _read(files: Files, id_: str) -> dict[str, Any]:
    name = f"{Layout.NOTICES}/{id_}.json"
    try:
        document = json.loads(files.read_many([name]).get(name) or b"{}")
    except Exception:  # noqa: BLE001 - a memory that cannot be read remembers nothing
        return {}
    return document if isinstance(document, dict) else {}
