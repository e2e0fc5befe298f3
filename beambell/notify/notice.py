"""One thing that a person should know."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import get_args

from beambell.config.notifications import ChannelParams, NoticeKind, Severity
from beambell.credentials import masked
from beambell.visible import visible

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)
_LONGEST = 3_000  # characters; chat programs cut longer texts


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice.

    Attributes
    ----------
    kind
        Subject: the ``gate``, a ``model``, the ``live`` job, or a ``task`` of Airflow.
    severity
        ``info``, ``warning`` or ``critical``.
    title
        Event in one line.
    figure
        Figures it rests on, in a few lines.
    look
        Command or address that shows more.
    key
        Name of the event within its kind. A notice of the same kind and key is the same notice, and sent once.
    """

    kind: NoticeKind
    severity: Severity
    title: str
    figure: str
    look: str
    key: str

    @property
    def id(self) -> str:
        """Digest of kind and key; it is fit for a file's name."""
        return hashlib.sha256(json.dumps([self.kind, self.key]).encode()).hexdigest()[:32]

    @property
    def headline(self) -> str:
        """Subject of a message: one line, with no character that a terminal or a mail's header would obey."""
        return visible(masked(" ".join(f"BeamBell: {self.title}".split())))[:200]

    @property
    def text(self) -> str:
        """Body of a message: severity, figures, where to look."""
        lines = [f"[{self.severity}] {self.title}", self.figure, f"See: {self.look}" if self.look else ""]
        return visible(masked("\n".join(line for line in lines if line)))[:_LONGEST]

    def is_for(self, channel: ChannelParams) -> bool:
        """Whether a channel wants it."""
        severe = SEVERITIES.index(self.severity) >= SEVERITIES.index(channel.severity)
        return severe and (not channel.kinds or self.kind in channel.kinds)
