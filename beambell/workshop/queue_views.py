"""A review queue as a person sees it: which rows, why, out of what, and what the answers are expected to buy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beambell.label_model.expected_gain import ExpectedGain


@dataclass(frozen=True)
class QueueView:
    """A review queue.

    Attributes
    ----------
    tasks
        Rows of the queue, as `beambell.feedback.tasks.TASKS_SCHEMA` has them.
    by_reason, by_stream
        Number of rows by reason, and by stream.
    rows, patterns, partitions
        Numbers of rows, patterns and partitions that it was drawn from.
    partitions_read
        Partitions whose ids were read: those of rows that were picked, and a few more.
    known
        Rows passed over, because they, or their text, were asked about before.
    repeated
        Drawn rows that have the text of another one: one of them is asked about, and stands for all.
    predicted
        Rows that the end model was asked about.
    random_share
        Share of rows drawn at random.
    gain
        Gain that is expected from answers to these rows, or to as many as were asked for; ``None`` if not estimated.
    warnings
        Sentences that a person should read.
    files
        Names of the files that were written.
    """

    tasks: tuple[Mapping[str, Any], ...]
    by_reason: Mapping[str, int]
    by_stream: Mapping[str, int]
    rows: int
    patterns: int
    partitions: int
    partitions_read: int
    known: int
    repeated: int
    predicted: int
    random_share: float
    gain: ExpectedGain | None
    warnings: tuple[str, ...]
    files: tuple[str, ...] = ()
