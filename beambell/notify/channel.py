"""One channel: its address with the secrets of the environment, and the sending, by Apprise."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from beambell.config.notifications import PLACEHOLDER
from beambell.notify.notice import Notice

_SPEAKERS = ("apprise", "urllib3")
"""Loggers that repeat addresses, some at level DEBUG only."""

_SENDING = threading.Lock()
_STATUS = re.compile(r"error=(\d{3})\b")


class NotSentError(Exception):
    """A notice did not reach a channel; the message holds no secret."""


def address(url: str, environment: Mapping[str, str]) -> str:
    """Put the environment's values in the place of ``${NAME}``.

    Raises
    ------
    NotSentError
        If a variable is not set.
    """
    if missing := [name for name in PLACEHOLDER.findall(url) if not environment.get(name)]:
        raise NotSentError(f"the environment variable {missing[0]} is not set")
    return PLACEHOLDER.sub(lambda found: environment[found[1]], url)


def send(url: str, notice: Notice) -> None:
    """Send a notice to an address with all its secrets.

    Raises
    ------
    NotSentError
        If that did not succeed.
    """
    with _quiet() as heard:
        import apprise

        channel = apprise.Apprise()
        if not channel.add(url):
            raise NotSentError("its address is not one that Apprise understands")
        types = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING}
        sent = channel.notify(
            body=notice.text,
            title=notice.headline,
            notify_type=types.get(notice.severity, apprise.NotifyType.FAILURE),
            body_format=apprise.NotifyFormat.TEXT,
        )
    if not sent:
        code = next((found[1] for line in heard if (found := _STATUS.search(line))), None)
        raise NotSentError(f"the service answered {code}" if code else "it was refused, or nobody answered")


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keep out of every log what may repeat an address; yield the lines, to look for a status."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    listener = Listener(logging.WARNING)
    loggers = [logging.getLogger(name) for name in _SPEAKERS]
    with _SENDING:
        before = [logger.propagate for logger in loggers]
        for logger in loggers:
            logger.propagate = False
            logger.addHandler(listener)
        try:
            yield lines
        finally:
            for logger, propagated in zip(loggers, before, strict=True):
                logger.removeHandler(listener)
                logger.propagate = propagated
