"""What to review next: rows drawn by chance, each with the probability it had, from counts alone.

Rows of one vote pattern in one partition are a *cell*: until someone looks, they are alike. Every row has a *time* at
which it arrives, exponential with a rate that says how much there is to learn from it: its share in each reason for
asking. A queue of n rows is the n that arrive first, so it begins with every smaller queue, and many reasons make one
queue without a row in it twice.

Times come from hashes, not from a clock, and those of a cell are drawn in order without looking at its rows: the next
of N arrives after 1/N as long as one alone. Only when a time is early enough do we ask which row it is, and that is
decided by a hash of its id. So what is read are the partitions of rows that are picked, not all.

*Probabilities.* Let T be the time of the first row that was not picked. Whatever the times of the others, a row is
picked exactly if it arrives before T, hence with probability ``1 - exp(-rate T)``. This is the rank-conditioning
estimator of bottom-k samples (Cohen and Kaplan, 2007): to weigh rows by the inverse of it is unbiased, exactly, for a
queue of fixed size.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats, Hashes, Integers


class Reason(StrEnum):
    """Why a row is asked about.

    Attributes
    ----------
    ENTROPY
        The label model cannot tell its class: in proportion to entropy, so big patterns that are in doubt come first.
    UNCOVERED
        No labeling function votes on it.
    DISAGREEMENT
        The end model says something else than the label model.
    RANDOM
        No reason at all: these rows stand for all.
    """

    ENTROPY = "entropy"
    UNCOVERED = "uncovered"
    DISAGREEMENT = "disagreement"
    RANDOM = "random"


#: Reasons that a pattern alone decides, in the order of columns of rates.
OF_PATTERNS: Final = (Reason.ENTROPY, Reason.UNCOVERED, Reason.RANDOM)

DISAGREEING: Final = 0.05
"""Share of covered rows on which the two models are taken to disagree: where more do, more of the queue are such."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows that are alike.

    Attributes
    ----------
    keys
        Hashes from which the times are drawn, uint64 [c].
    rows
        Number of rows in each cell, int64 [c].
    rates
        Rate of each reason of `OF_PATTERNS`, per row, float64 [c, 3]; they sum to the shares over all rows.
    proposals
        Rate, per row, at which a covered row is proposed because the end model may disagree, float64 [c].
    """

    keys: Hashes
    rows: Integers
    rates: Floats
    proposals: Floats

    @property
    def rate(self) -> Floats:
        """Rate at which the pattern alone brings a row, for whatever reason, [c]."""
        return np.asarray(self.rates.sum(axis=1))

    def expected(self, until: float) -> float:
        """Number of rows that arrive before a time, about: proposals are taken as often as is assumed."""
        return float(self.rows @ -np.expm1(-self._all_rates * until))

    def time_of(self, size: int) -> float:
        """Give the time before which ``size`` rows arrive, about; infinite if there are not so many."""
        if size >= self.rows[self._all_rates > 0].sum():
            return np.inf
        low, high = 0.0, 1.0
        while self.expected(high) < size:
            low, high = high, 2 * high
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self.expected(middle) < size else (low, middle)
        return high

    @property
    def _all_rates(self) -> Floats:
        return np.asarray(self.rate + DISAGREEING * self.proposals)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """The rows that arrive before some time, not yet known by name.

    Attributes
    ----------
    cell, order
        Number of the cell, and number of the arrival in it, from 0; int64 [a].
    time
        float64 [a].
    """

    cell: Integers
    order: Integers
    time: Floats


def cell_keys(partition: str, patterns: npt.NDArray[np.uint8]) -> Hashes:
    """Hashes of the cells of one partition.

    Parameters
    ----------
    partition
        Name of the partition.
    patterns
        Patterns of the cells, packed, uint8 [p, width].
    """
    start = hashlib.blake2b(partition.encode(), digest_size=8).digest()
    digests = [hashlib.blake2b(bytes(p), digest_size=8, key=start).digest() for p in patterns]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def make_cells(
    keys: Hashes, rows: Integers, entropy: Floats, covered: npt.NDArray[np.bool_], shares: Mapping[Reason, float]
) -> Cells:
    """Give every cell its rates.

    Parameters
    ----------
    keys, rows
        Keys and rows of the cells, as in `Cells`.
    entropy
        Entropy of the posterior of each cell's pattern, [c].
    covered
        Whether a labeling function votes on it, [c].
    shares
        Share of each reason in the queue. A reason that no row has leaves its share to the others.
    """
    weights = {
        Reason.ENTROPY: np.where(covered, entropy, 0.0),
        Reason.UNCOVERED: np.where(covered, 0.0, 1.0),
        Reason.RANDOM: np.ones(len(rows)),
        Reason.DISAGREEMENT: np.where(covered, 1.0, 0.0),
    }
    totals = {reason: float(rows @ weight) for reason, weight in weights.items()}
    given = sum(shares.get(reason, 0.0) for reason, total in totals.items() if total > 0)
    rates = {
        reason: weight * (shares.get(reason, 0.0) / given / totals[reason] if given and totals[reason] else 0.0)
        for reason, weight in weights.items()
    }
    columns = np.column_stack([rates[reason] for reason in OF_PATTERNS])
    return Cells(keys, rows, columns, rates[Reason.DISAGREEMENT] / DISAGREEING)


def arrivals(keys: Hashes, rows: Integers, rate: Floats, until: float, salt: str) -> Arrivals:
    """Draw the arrivals before a time. Later times have the earlier times' arrivals, and more.

    Parameters
    ----------
    keys, rows
        Keys of the cells, and their numbers of rows, [c].
    rate
        Rate of each row of a cell, [c].
    until
        The time.
    salt
        Draws with different salts are independent.
    """
    keys = keys ^ np.uint64(int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "little"))
    found: list[tuple[Integers, int, Floats]] = []
    time, order = np.zeros(len(rows)), 0
    active = np.flatnonzero((rate > 0) & (rows > 0))
    while len(active):
        left = (rows[active] - order) * rate[active]
        time[active] += -np.log(_uniform(keys[active], order)) / left
        active = active[time[active] < until]
        found.append((active, order, time[active]))
        order += 1
        active = active[rows[active] > order]
    cell, times = (np.concatenate([part[i] for part in found]) if found else np.empty(0) for i in (0, 2))
    orders = np.repeat([part[1] for part in found], [len(part[0]) for part in found]) if found else np.empty(0)
    return Arrivals(cell.astype(np.int64), orders.astype(np.int64), times.astype(np.float64))


def probability(rate: Floats, proposals: Floats, disagreement: Floats, until: float) -> Floats:
    """Probability that a row arrives before a time, [a].

    Parameters
    ----------
    rate
        Sum of a row's rates, [a].
    proposals, disagreement
        The rate at which it is proposed, and the probability that a proposal is taken, [a].
    until
        The time; all rows arrive before an infinite one, if ever.
    """
    with np.errstate(invalid="ignore"):  # infinitely long at no rate
        stays = np.where(rate > 0, np.exp(-rate * until), 1.0)
        refused = 1.0 - disagreement * np.where(proposals > 0, -np.expm1(-proposals * until), 0.0)
    return np.asarray(1.0 - stays * refused)


def reasons(rates: Floats, time: Floats, until: float, draws: Floats, more_draws: Floats) -> list[Reason]:
    """Say why rows arrived that their pattern's rates brought.

    A row is ``random`` if chance alone would have brought it before ``until``, whatever brought it first: these rows
    are a sample of all, each as likely as the other.

    Parameters
    ----------
    rates
        Rates of each reason of `OF_PATTERNS`, [a, 3].
    time
        Time at which each arrived, [a].
    draws, more_draws
        Uniform on [0, 1), independent of all else, [a].
    """
    total = rates.sum(axis=1)
    by_chance = rates[:, OF_PATTERNS.index(Reason.RANDOM)]
    first = np.minimum((draws[:, None] * total[:, None] >= np.cumsum(rates, axis=1)).sum(axis=1), len(OF_PATTERNS) - 1)
    # What had not come by then comes as if it had just begun to wait.
    with np.errstate(divide="ignore", invalid="ignore"):
        at = time - np.log1p(-more_draws) / by_chance
    found = [OF_PATTERNS[i] for i in first]
    return [Reason.RANDOM if at[i] < until else reason for i, reason in enumerate(found)]


def disagreement(labels: Floats, predictions: Floats) -> Floats:
    """How much two models disagree about rows, [n] in [0, 1].

    Where both find the same class most probable, 0; else the total variation distance of their probabilities.

    Parameters
    ----------
    labels, predictions
        Probabilities, [n, K].
    """
    differs = labels.argmax(axis=1) != predictions.argmax(axis=1)
    return np.asarray(np.where(differs, np.abs(labels - predictions).sum(axis=1) / 2, 0.0))


def normal_text(text: str | None) -> str:
    """Bring texts that differ in case, blanks or spelling of the same characters to one form."""
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())


def text_key(stream: str, text: str | None) -> str:
    """Hash a stream and the normal form of a text: 32 hex digits."""
    return hashlib.blake2b(f"{stream}/{normal_text(text)}".encode(), digest_size=16).hexdigest()


def _uniform(keys: Hashes, order: int) -> Floats:
    """Draw from (0, 1] by key and order: splitmix64, its state the key, ``order + 1`` steps on."""
    step = (order + 1) * 0x9E3779B97F4A7C15 % 2**64
    x = keys + np.uint64(step)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return np.asarray(((x >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53)
