"""Die at a chosen write: a real SIGKILL to the real process, at an instant that can be named and met again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from projects import run_stages

from beambell.store import Files


class KillAt:
    """Kill this process just before its n-th change of a data root.

    Parameters
    ----------
    n
        Counted from 1.
    """

    def __init__(self, n: int) -> None:
        self._left = n
        self._lock = threading.Lock()

    def __call__(self, verb: str, name: str) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def call_and_die(n: int, call: Callable[..., object], *arguments: object) -> None:
    """Call something, up to its n-th change of a data root."""
    Files.observer = KillAt(n)
    call(*arguments)


def run_and_die(folder: Path, n: int) -> None:
    """Run all stages, up to the n-th change."""
    call_and_die(n, run_stages, folder)


def run_and_note(folder: Path, log: Path) -> None:
    """Run all stages, and write down each change as a line: verb, name."""
    with log.open("w") as file:
        Files.observer = lambda verb, name: print(verb, name, file=file)
        run_stages(folder)


def run_merge(folder: Path) -> None:
    """Join the state alone."""
    run_stages(folder, "merge")
