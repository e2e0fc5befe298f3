"""Processes of their own to measure in: on few cores, and with nothing imported yet."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Isolated:
    """A process that works alone on its cores, as a context.

    Parameters
    ----------
    cores
        How many.
    environment
        Variables, as libraries read them when they are imported.
    """

    def __init__(self, cores: int = 1, **environment: str) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _settle, (cores, environment))

    def __call__(self, work: Callable[..., Any], *args: Any) -> Any:
        """Call a function of a module there, and wait for its result."""
        return self._pool.submit(work, *args).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._pool.shutdown()


def _settle(cores: int, environment: dict[str, str]) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    os.environ.update(environment)


def resident_mb(figure: str) -> float:
    """Memory of this process: ``VmRSS`` now, ``VmHWM`` at its peak.

    Not `resource.getrusage`: its peak starts from that of the parent process.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{figure}:")) / 1024
