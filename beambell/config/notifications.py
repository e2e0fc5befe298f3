"""``notifications`` of ``params.yaml``: who is told when something happens that a person should know."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from beambell.config.places import Text
from beambell.config.section import Name, Section

Severity = Literal["info", "warning", "critical"]
NoticeKind = Literal["gate", "model", "live", "task"]

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLAIN = re.compile(r"(jsons?|mailtos?)://", re.IGNORECASE)


class ChannelParams(Section):
    """One way to reach people.

    Attributes
    ----------
    url
        Address, as Apprise writes it: ``jsons://host/path`` (a webhook), ``slack://...``, ``mailto://...``. ``${NAME}``
        stands for a variable of the environment. What holds a secret is taken from there as a whole.
    severity
        Lowest severity that is sent.
    kinds
        Kinds of notices that are sent: ``gate``, ``model``, ``live``, ``task``; empty for all.
    """

    url: Text
    severity: Severity = "warning"
    kinds: tuple[NoticeKind, ...] = ()

    @field_validator("url")
    @classmethod
    def _holds_no_secret(cls, url: str) -> str:
        if not PLACEHOLDER.search(url) and not _PLAIN.match(url):
            raise ValueError(
                "the addresses of most services are secrets: put the whole address into a variable of the environment, "
                "such as BEAMBELL_NOTIFY_SLACK, and write '${BEAMBELL_NOTIFY_SLACK}' here; only json://, jsons:// "
                "and mailto:// addresses without a password may stand here as they are"
            )
        return url


class NotificationsParams(Section):
    """Who is told of what (see docs/operating.md).

    Attributes
    ----------
    to
        Channels by name.
    look
        Address at which people look first, such as Airflow; ``None`` for the command of each notice.
    """

    to: dict[Name, ChannelParams] = Field(default={})
    look: Text | None = None
