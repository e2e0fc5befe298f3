"""Votes: coverage, conflicts, how often each labeling function fires and agrees, and which patterns there are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from beambell.quality.check import KINDS, Check, Effect, Law, ShareCheck, found
from beambell.quality.finding import Finding, Severity, rounded
from beambell.quality.reference import FEWEST, Share, excess_deviation, tail_score
from beambell.quality.sight import Sight
from beambell.state import PatternCounts

PATTERNS = 40  # of a partition, that are remembered one by one
ENOUGH, EVERYTHING = 200, 0.98  # rows, and the share of them on which a new labeling function should not vote
AGAINST = 0.3  # of rows with other votes, on which a labeling function that is not broken agrees with their majority
LF_FIX = (
    "see what it fires on with `beambell lf test NAME` and what was edited with `beambell lf diff`; repair it, or name "
    "it in lfs.shadow, then run `beambell run`. If the data are so: `beambell gate accept PARTITION`"
)


@KINDS.register
class Covered(ShareCheck):
    """Shares of rows with a vote, and with votes for different classes."""

    kind, of = "votes", "votes"
    effect = Effect(warn=0.05, block=0.3)
    fix = (
        "see which labeling functions fire more or less than before (`beambell gate show PARTITION`), and what the "
        "texts look like. If the data are so: `beambell gate accept PARTITION`"
    )

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count covered rows, and those with conflicts."""
        L, counts = sight.counts.patterns, sight.counts.counts
        covered = (L >= 0).any(axis=1)
        lowest = np.where(L >= 0, L, np.iinfo(np.int8).max).min(axis=1, initial=np.iinfo(np.int8).max)
        differ = covered & (lowest != L.max(axis=1, initial=-1))
        return {
            "covered": (int(counts[covered].sum()), sight.rows),
            "conflict": (int(counts[differ].sum()), sight.rows),
        }

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        return f"the share of rows with {'a vote' if subject == 'covered' else 'votes for different classes'}"


@KINDS.register
class Majority(ShareCheck):
    """Share of each class among the rows whose votes have a majority: class shares before any label model."""

    kind, of = "class_votes_share", "votes"
    effect = Effect(warn=0.03, block=0.2)
    fix = (
        "see which labeling functions fire more or less than before, and read some rows: the classes may have changed, "
        "or the source. If they have: `beambell gate accept PARTITION`"
    )

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count rows by the class that most of their votes are for; ties are left out."""
        return majorities_of(sight.counts, sight.classes)

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        return f"the share of rows whose votes are mostly for {subject}"


class _OfLF(ShareCheck):
    """A check of each labeling function."""

    def lf(self, subject: str) -> str | None:
        """Name it, without its version."""
        return subject.partition("@")[0]


@KINDS.register
class Fired(_OfLF):
    """Share of rows on which a labeling function votes."""

    kind, of = "lf_fired", "votes"
    effect, fix = Effect(warn=0.02, block=0.3), LF_FIX

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count the votes of each."""
        return {lf.key: (lf.votes, sight.rows) for lf in sight.lfs if lf.speaks}

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        return f"{self.lf(subject)}: the share of rows on which it votes"

    def judge(self, now: Mapping[str, Share], reference: Sequence[Mapping[str, Share]], law: Law) -> Iterator[Finding]:
        """Compare with the reference; without one, look for a function that votes on nearly everything."""
        yield from super().judge(now, reference, law)
        for subject, (part, whole) in now.items():
            known = sum(subject in one for one in reference)
            if known < FEWEST and whole >= ENOUGH and part >= EVERYTHING * whole:
                yield Finding(
                    self.kind, "warning", self.kind, rounded(part / whole), EVERYTHING, self.lf(subject),
                    f"{self.noun(subject)} is {part / whole:.1%}; from {EVERYTHING:.0%} on it tells rows apart no more",
                    LF_FIX, subject.partition("@")[0], 0.0, EVERYTHING,
                )  # fmt: skip


@KINDS.register
class Agreement(_OfLF):
    """Share of its votes, where others vote, too, that are those of their majority; its own vote does not count."""

    kind, of = "lf_agreement", "votes"
    effect, fix = Effect(warn=0.1, block=0.4, up=False), LF_FIX

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count votes with, and of all with or against, the majority of the others."""
        return {
            lf.key: share
            for lf, share in zip(sight.lfs, _agreements(sight), strict=True)
            if lf.speaks
        }  # fmt: skip

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        return f"{self.lf(subject)}: the share of its votes that the majority of the others shares"

    def judge(self, now: Mapping[str, Share], reference: Sequence[Mapping[str, Share]], law: Law) -> Iterator[Finding]:
        """Compare with the reference; without one, look for a function that votes against all others."""
        told = set()
        for finding in super().judge(now, reference, law):
            told.add(finding.lf)
            yield finding
        usual = [part / whole for part, whole in now.values() if whole]
        for subject, (part, whole) in now.items():
            if self.lf(subject) in told or not whole or len(usual) < len(("itself", "two", "others")):
                continue
            others = sorted(usual)[len(usual) // 2]
            z = tail_score(part, whole, AGAINST)
            if z <= -law.warn_z and others > 0.5:
                figure = part / whole
                severity: Severity = "critical" if z <= -law.block_z and figure < AGAINST / 2 else "warning"
                yield Finding(
                    self.kind, severity, self.kind, rounded(figure), AGAINST, self.lf(subject),
                    f"{self.noun(subject)} is {figure:.1%}, of {whole:,.0f}; below {AGAINST:.0%} it votes against them "
                    f"(z {z:+.1f}), while one half of the functions has {others:.0%} or more",
                    LF_FIX, subject.partition("@")[0], AGAINST, 1.0, rounded(round(z, 3)),
                )  # fmt: skip


def majorities_of(counts: PatternCounts, classes: Sequence[str]) -> dict[str, Share]:
    """Count rows whose votes are mostly for each class, of all rows whose votes have a majority."""
    tally, rows = _tally(counts), counts.counts
    most = tally.max(axis=1, initial=0)
    clear = (most > 0) & ((tally == most[:, None]).sum(axis=1) == 1)
    whole = int(rows[clear].sum())
    return {name: (int(rows[clear & (tally[:, k] == most)].sum()), whole) for k, name in enumerate(classes)}


def _tally(counts: PatternCounts) -> np.ndarray:
    """Number of votes for each class in each pattern, [patterns, classes]."""
    L, K = counts.patterns, counts.cardinality
    return np.stack([np.count_nonzero(k == L, axis=1) for k in range(K)], axis=1)


def _agreements(sight: Sight) -> list[Share]:
    L, counts, tally = sight.counts.patterns, sight.counts.counts, _tally(sight.counts)
    found: list[Share] = []
    for j in range(L.shape[1]):
        fired = np.flatnonzero(L[:, j] >= 0)
        vote, others = L[fired, j], tally[fired].copy()
        others[np.arange(len(fired)), vote] -= 1
        mine, best = others[np.arange(len(fired)), vote], others.max(axis=1, initial=0)
        rivals = (others == best[:, None]).sum(axis=1)
        clear = (best > 0) & (rivals == 1)
        weight = counts[fired]
        found.append((int(weight[clear & (mine == best)].sum()), int(weight[clear].sum())))
    return found


@KINDS.register
class Patterns(Check):
    """Mass of the vote patterns: the Jensen-Shannon divergence from the reference, above what sampling explains."""

    kind, of = "patterns", "votes"
    effect = Effect(warn=0.03, down=False)
    fix = (
        "see which labeling functions fire more or less together than before: `beambell gate show PARTITION`, "
        "`beambell state show`. If the data are so, do nothing: the next partitions are compared with this one, too"
    )

    def measure(self, sight: Sight) -> dict[str, int]:
        """Keep the commonest patterns by hash, with their rows, and all others together."""
        names = sorted(lf.key for lf in sight.lfs)
        counts, n = sight.counts, sight.counts.n_patterns
        order = sorted(range(n), key=lambda i: (-int(counts.counts[i]), counts.patterns[i].tobytes()))
        kept = {_name(names, counts.patterns[i]): int(counts.counts[i]) for i in order[:PATTERNS]}
        return {**kept, "": sight.rows - sum(kept.values())}

    def judge(self, now: Mapping[str, int], reference: Sequence[Mapping[str, int]], law: Law) -> Iterator[Finding]:
        """Compare the divergence with those of the reference's partitions from each other."""
        usual = [_excess(one, [*reference[:i], *reference[i + 1 :]])[0] for i, one in enumerate(reference)]
        excess, noise = _excess(now, reference)
        deviation = excess_deviation(excess, noise, usual)
        severity = self.effect.severity(deviation, law) if deviation else None
        if deviation and severity:
            high = max(deviation.interval(law.warn_z, top=1.0)[1], self.effect.warn)
            yield found(
                self.kind, severity, "the divergence of the vote patterns (Jensen-Shannon, nats)", deviation,
                (0.0, high), self.fix, spell=lambda value: f"{value:.3f}",
            )  # fmt: skip


def _name(lfs: Sequence[str], pattern: np.ndarray) -> str:
    return hashlib.sha256(repr(lfs).encode() + pattern.tobytes()).hexdigest()[:12]


def _excess(now: Mapping[str, int], reference: Sequence[Mapping[str, int]]) -> Share:
    """Divergence less what sampling alone makes on average, and the standard deviation of that."""
    pooled: dict[str, int] = {}
    for one in reference:
        for name, count in one.items():
            pooled[name] = pooled.get(name, 0) + count
    known = {name for name in now if name in pooled and name}
    p, q = _masses(now, known), _masses(pooled, known)
    n, m = sum(now.values()), sum(pooled.values())
    if not n or not m:
        return 0.0, 0.0
    js = sum(_half(p[name], q[name]) + _half(q[name], p[name]) for name in p)
    cells, each = max(len(known), 1), (1 / n + 1 / m) / 8
    return js - cells * each, math.sqrt(2 * cells) * each


def _masses(counts: Mapping[str, int], known: set[str]) -> dict[str, float]:
    total = max(sum(counts.values()), 1)
    masses = {name: counts[name] / total for name in sorted(known)}
    # The rest is counted, not subtracted from one: rounding would make it negative.
    return {**masses, "": (total - sum(counts[name] for name in known)) / total}


def _half(p: float, q: float) -> float:
    return 0.5 * p * math.log(2 * p / (p + q)) if p > 0 else 0.0
