"""What the gate knows of a partition: counts, and a few figures of its labels."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beambell.errors import ArtefactError

if TYPE_CHECKING:
    from pandas import DataFrame

PARTITION_KEY = ("stream", "dt")
LF_KEY = ("stream", "dt", "lf")

ENOUGH_TO_BE_HEARD = 500
"""Rows from which on the silence of a labeling function is worth a word: most look for something rare."""


@dataclass(frozen=True, slots=True)
class PartitionSummary:
    """One labelled partition, in numbers.

    Attributes
    ----------
    stream, dt
        The partition's key.
    rows
        Rows of the partition.
    quarantined, duplicates
        Records that were read for it but did not become rows.
    covered
        Rows with at least one vote.
    conflicts
        Rows with at least two different votes.
    dead_letters
        Pairs of row and labeling function where the function raised.
    class_shares
        Mean posterior of each of the K classes over the covered rows; sums to 1. Ignored if none is covered.
    mean_entropy
        Mean entropy of the posterior over the covered rows, in nats. Ignored if none is covered.
    bytes, lost
        Size of the files that were delivered for it, and of those among them that could not be read to their end.
    lost_files
        Names of the latter.
    """

    stream: str
    dt: str
    rows: int
    quarantined: int
    duplicates: int
    covered: int
    conflicts: int
    dead_letters: int
    class_shares: tuple[float, ...]
    mean_entropy: float
    bytes: int = 0
    lost: int = 0
    lost_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LFSummary:
    """One labeling function on one partition.

    Attributes
    ----------
    stream, dt, lf
        The partition's key and the function's name.
    rows
        Rows it was asked about.
    votes
        Rows on which it did not abstain.
    errors
        Rows on which it raised.
    """

    stream: str
    dt: str
    lf: str
    rows: int
    votes: int
    errors: int


def safe_name(name: str) -> str:
    """Spell a class's name with letters, digits, ``_`` and ``-`` of ASCII, never two classes alike.

    A name that is so already stays; any other gets a hash of itself at its end.
    """
    if re.fullmatch("[a-z0-9][a-z0-9_-]*", name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "class"
    return f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def class_column(name: str) -> str:
    """Name the figure that holds the share of one class."""
    return f"class_share_{safe_name(name)}"


def voters_column(name: str) -> str:
    """Name the figure that holds the number of labeling functions that vote for one class."""
    return f"lfs_for_{safe_name(name)}"


def partition_frame(summaries: Sequence[PartitionSummary], classes: Sequence[str]) -> DataFrame:
    """Lay out the figures of partitions, one row each, in the order of their keys.

    Parameters
    ----------
    summaries
        Summaries, one per partition.
    classes
        Names of the K classes.

    Returns
    -------
    DataFrame
        ``stream, dt``; the denominators ``records, rows, covered``; then the figures. A share of nothing, and
        a figure that is not finite, is NaN.

    Raises
    ------
    ArtefactError
        If a partition's labels have another number of classes, or two summaries share a key.
    """
    records = [_partition_record(summary, classes) for summary in summaries]
    return _frame(records, PARTITION_KEY)


def lf_frame(summaries: Sequence[LFSummary]) -> DataFrame:
    """Lay out the figures of labeling functions, one row per partition and function, in the order of their keys.

    Returns
    -------
    DataFrame
        ``stream, dt, lf, rows, vote_share, heard_share, error_rate``; shares of no rows are NaN.

    Raises
    ------
    ArtefactError
        If two summaries share a key.
    """
    records = [
        {
            "stream": summary.stream,
            "dt": summary.dt,
            "lf": summary.lf,
            "rows": summary.rows,
            "vote_share": _share(summary.votes, summary.rows),
            "heard_share": _share(summary.votes, summary.rows if summary.rows >= ENOUGH_TO_BE_HEARD else 0),
            "error_rate": _share(summary.errors, summary.rows),
        }
        for summary in summaries
    ]
    return _frame(records, LF_KEY)


def _partition_record(summary: PartitionSummary, classes: Sequence[str]) -> dict[str, object]:
    read = summary.rows + summary.quarantined + summary.duplicates
    return {
        "stream": summary.stream,
        "dt": summary.dt,
        "records": read,
        "rows": summary.rows,
        "covered": summary.covered,
        "lost_share": _share(summary.lost, summary.bytes),
        "quarantined_share": _share(summary.quarantined, read),
        "duplicate_share": _share(summary.duplicates, read),
        "coverage": _share(summary.covered, summary.rows),
        "conflict_share": _share(summary.conflicts, summary.rows),
        "mean_entropy": _finite(summary.mean_entropy),
        **dict(zip(map(class_column, classes), _class_shares(summary, len(classes)), strict=True)),
    }


def _class_shares(summary: PartitionSummary, cardinality: int) -> list[float]:
    if summary.covered == 0:
        return [math.nan] * cardinality
    if len(summary.class_shares) != cardinality:
        raise ArtefactError(
            f"labels have {len(summary.class_shares)} classes, the project has {cardinality}",
            where=f"{summary.stream}/{summary.dt}",
            fix="label the partition again: `beambell label`",
        )
    return [_finite(share) for share in summary.class_shares]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _finite(value: float) -> float:
    # Infinity is as much of an answer as NaN, and JSON knows neither.
    return value if math.isfinite(value) else math.nan


def _frame(records: list[dict[str, object]], key: Sequence[str]) -> DataFrame:
    import pandas as pd

    frame = pd.DataFrame.from_records(records).sort_values(list(key), ignore_index=True)
    if (repeated := frame.duplicated(list(key))).any():
        first = frame.loc[repeated, list(key)].iloc[0]
        raise ArtefactError("summarised twice", where="/".join(first), fix="give the gate one summary of each")
    return frame
