"""Labeling functions in Python: the very same bodies here and in snorkel."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np

from benchmarks.processes import Isolated
from benchmarks.timing import alternated, seconds, table
from benchmarks.workload import CARDINALITY, STREAM, Workload

ROWS = 20_000
HAM, SPAM, ABSTAIN = 0, 1, -1

OURS, PANDAS = "`@labeling_function`, as the Beam job runs them", "snorkel `PandasLFApplier`"


def has_link(row: Any) -> int:
    return SPAM if "http" in row.text or "www." in row.text else ABSTAIN


def shouts(row: Any) -> int:
    letters = [c for c in row.text if c.isalpha()]
    return SPAM if letters and sum(c.isupper() for c in letters) > 0.3 * len(letters) else ABSTAIN


def few_words(row: Any) -> int:
    return HAM if len(row.text.split()) < 12 else ABSTAIN


def asks(row: Any) -> int:
    return HAM if row.text.rstrip().endswith("?") else ABSTAIN


def offers(row: Any) -> int:
    text = row.text.lower()
    return SPAM if any(word in text for word in ("free", "win", "earn", "offer")) else ABSTAIN


def numbered_author(row: Any) -> int:
    return SPAM if re.search(r"\d{3,}$", row.author) else ABSTAIN


def liked(row: Any) -> int:
    return HAM if row.likes >= 4 else ABSTAIN


def on_topic(row: Any) -> int:
    title = set(row.video.split("-"))
    return HAM if not title.isdisjoint(re.findall(r"\w+", row.text.lower())) else ABSTAIN


FUNCTIONS = (has_link, shouts, few_words, asks, offers, numbered_author, liked, on_topic)
FIELDS = ("text", "author", "likes", "video")


def measure() -> str:
    """Compare."""
    with Isolated() as process:
        us = process(in_memory)
    rows = [[name, f"{us[name]:.1f}", f"{us[PANDAS] / us[name]:.1f}"] for name in (PANDAS, OURS)]
    title = f"## {len(FUNCTIONS)} LFs in Python: {ROWS:,} rows, in memory, one core, equal votes\n\n"
    return title + table(["what", "µs per row", "times faster"], rows)


def in_memory() -> dict[str, float]:
    """Microseconds per row."""
    from snorkel.labeling import LabelingFunction as TheirLF
    from snorkel.labeling import PandasLFApplier

    from beambell.labeling import compile_lfs, labeling_function
    from beambell.labeling.patterns import pack

    data = Workload(ROWS).table()
    frame = data.to_pandas()
    compiled = compile_lfs([labeling_function(fields=FIELDS)(function) for function in FUNCTIONS])
    applier = PandasLFApplier([TheirLF(function.__name__, function) for function in FUNCTIONS])
    votes: dict[str, Any] = {}

    def ours() -> None:
        found = compiled.evaluate(data, cardinality=CARDINALITY, stream=STREAM, time_limit_s=60)
        assert not found.dead_letters
        votes[OURS] = found.patterns

    def theirs() -> None:
        votes[PANDAS] = applier.apply(frame, progress_bar=False)

    def check() -> None:
        assert np.array_equal(votes[OURS], pack(votes[PANDAS], CARDINALITY))

    taken = alternated({OURS: partial(seconds, ours), PANDAS: partial(seconds, theirs)}, check)
    return {name: value / ROWS * 1e6 for name, value in taken.items()}
