"""Labeling functions in Python: the very same bodies here and in snorkel."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.processes import Isolated
from benchmarks.timing import alternated, seconds, table
from benchmarks.workload import CARDINALITY, STREAM, Workload

ROWS = 20_000
HAM, SPAM, ABSTAIN = 0, 1, -1

PANDAS = "snorkel `PandasLFApplier`"
OURS = "`@labeling_function`, as the Beam job runs them"
BODIES = "nothing but the calls, on finished rows"


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


def mentions(word: str, label: int) -> Callable[[Any], int]:
    def function(row: Any) -> int:
        return label if word in row.text.lower() else ABSTAIN

    function.__name__ = f"mentions_{word}"
    return function


def check_it_out(row: Any) -> int:
    return SPAM if re.search(r"check.*out", row.text, flags=re.IGNORECASE) else ABSTAIN


def short(row: Any) -> int:
    return HAM if len(row.text.split()) < 5 else ABSTAIN


MIXED = (has_link, shouts, few_words, asks, offers, numbered_author, liked, on_topic)
TUTORIAL = (
    *(mentions(word, SPAM) for word in ("my", "subscribe", "http", "please", "check")),
    mentions("song", HAM),
    check_it_out,
    short,
)
"""The rules of snorkel's own tutorial on spam that need nothing but the text (their code is not here)."""

SETS = {
    "one condition each, as in snorkel's tutorial": (TUTORIAL, ("text",)),
    "some look at every letter and word": (MIXED, ("text", "author", "likes", "video")),
}
"""Functions, and the fields they declare."""


def measure() -> str:
    """Compare."""
    rows = []
    for name in SETS:
        with Isolated() as process:
            us = process(in_memory, name)
        rows.append([name, f"{us[PANDAS]:.1f}", f"{us[OURS]:.1f}", f"{us[BODIES]:.1f}", f"{us[PANDAS] / us[OURS]:.1f}"])
    title = f"## 8 LFs in Python: µs per row, {ROWS:,} rows, in memory, one core, equal votes\n\n"
    return title + table(["what the LFs do", PANDAS, OURS, BODIES, "times faster than snorkel"], rows)


def in_memory(name: str) -> dict[str, float]:
    """Microseconds per row."""
    from snorkel.labeling import LabelingFunction as TheirLF
    from snorkel.labeling import PandasLFApplier

    from beambell.labeling import compile_lfs, labeling_function
    from beambell.labeling.row import Columns
    from beambell.state.patterns import pack

    functions, fields = SETS[name]
    data = Workload(ROWS).table()
    frame = data.to_pandas()
    rows = Columns(data, stream=STREAM).rows(fields)
    compiled = compile_lfs([labeling_function(fields=fields)(function) for function in functions])
    applier = PandasLFApplier([TheirLF(function.__name__, function) for function in functions])
    votes: dict[str, Any] = {}

    def ours() -> None:
        found = compiled.evaluate(data, cardinality=CARDINALITY, stream=STREAM, time_limit_s=60)
        assert not found.dead_letters
        votes[OURS] = found.patterns

    def theirs() -> None:
        votes[PANDAS] = applier.apply(frame, progress_bar=False)

    def bodies() -> None:
        votes[BODIES] = [[*map(function, rows)] for function in functions]

    def check() -> None:
        assert np.array_equal(np.transpose(votes[BODIES]), votes[PANDAS])
        assert np.array_equal(votes[OURS], pack(votes[PANDAS], CARDINALITY))

    what = {OURS: ours, PANDAS: theirs, BODIES: bodies}
    taken = alternated({name: partial(seconds, run) for name, run in what.items()}, check)
    return {name: value / ROWS * 1e6 for name, value in taken.items()}
