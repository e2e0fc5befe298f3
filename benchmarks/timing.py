"""Stopwatch and table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall time of some calls."""
    return statistics.median(seconds(work) for _ in range(repeats))


def alternated(
    contenders: Mapping[Any, Callable[[], float]], check: Callable[[], Any] = lambda: None, rounds: int = 3
) -> dict[Any, float]:
    """Median of what each contender measures, in rounds, so that what slows the machine slows them all.

    Parameters
    ----------
    contenders
        By name, what returns its own seconds.
    check
        Called when each has run once, to warm up, and before any time counts: whether their results agree.
    """
    for contender in contenders.values():
        contender()
    check()
    times: dict[Any, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            times[name].append(contender())
    return {name: statistics.median(taken) for name, taken in times.items()}


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
