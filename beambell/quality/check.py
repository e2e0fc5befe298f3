"""What a check is: what it keeps of a partition, and what it says of that beside the same of earlier partitions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from beambell.errors import BeamBellError
from beambell.kinds import Kinds
from beambell.quality.finding import Finding, Severity, rounded
from beambell.quality.reference import Deviation, Share, share_deviation

if TYPE_CHECKING:
    from beambell.quality.sight import Sight

Of = Literal["rows", "votes", "labels"]
Measured = Any
"""What a check keeps of a partition: plain JSON values."""
Measures = Mapping[str, Measured]
"""What all checks keep of a partition, by their kinds."""


@dataclass(frozen=True, slots=True)
class Law:
    """Distances from the reference at which something is said.

    Attributes
    ----------
    warn_z, block_z
        Standard errors from which on a deviation is a warning, and from which on it may block.
    """

    warn_z: float = 4.0
    block_z: float = 6.0


@dataclass(frozen=True, slots=True)
class Effect:
    """Smallest effects that matter, whatever the number of rows: of ten million rows every difference is significant.

    Attributes
    ----------
    warn, block
        Absolute difference of shares that is a warning, and that blocks; ``None`` if it never blocks.
    up, down
        Whether more than expected, and less than expected, matters.
    """

    warn: float
    block: float | None = None
    up: bool = True
    down: bool = True

    def severity(self, deviation: Deviation, law: Law) -> Severity | None:
        """Judge a deviation; ``None`` if it is none, or does not matter."""
        size, z = abs(deviation.effect), abs(deviation.z)
        if not (self.up if deviation.z > 0 else self.down):
            return None
        if self.block is not None and z >= law.block_z and size >= self.block:
            return "critical"
        return "warning" if z >= law.warn_z and size >= self.warn else None


class Check(ABC):
    """One family of checks.

    Attributes
    ----------
    kind
        Name of the check, as findings have it.
    of
        Part of a partition that it looks at: its rows, its votes or its labels.
    """

    kind: ClassVar[str]
    of: ClassVar[Of]

    @abstractmethod
    def measure(self, sight: Sight) -> Measured:
        """Reduce a partition to the little that is kept of it."""

    @abstractmethod
    def judge(self, now: Measured, reference: Sequence[Measured], law: Law) -> Iterator[Finding]:
        """Compare what is kept of a partition with the same of the last good ones, oldest first."""


class ShareCheck(Check):
    """A check of shares of rows, each of a subject: a field, a class, a labeling function.

    Attributes
    ----------
    effect
        Smallest effects that matter.
    fix
        Advice on what to do.
    always
        Whether a subject that a partition does not name has none of its rows, as the value of a field has.
    """

    effect: ClassVar[Effect]
    fix: ClassVar[str]
    always: ClassVar[bool] = False

    @abstractmethod
    def noun(self, subject: str) -> str:
        """Say what the share is, to begin a sentence with."""

    def lf(self, subject: str) -> str | None:  # noqa: ARG002 - some checks are about labeling functions
        """Name the labeling function that a subject is."""
        return None

    def judge(self, now: Mapping[str, Share], reference: Sequence[Mapping[str, Share]], law: Law) -> Iterator[Finding]:
        """Compare each subject's share with those of the reference."""
        for subject in sorted({*now, *(name for one in reference for name in one)} if self.always else now):
            part, whole = self._share(now, subject)
            known = [self._share(one, subject) for one in reference if self.always or subject in one]
            deviation = share_deviation(part, whole, known)
            severity = self.effect.severity(deviation, law) if deviation else None
            if deviation and severity:
                yield self.finding(subject, severity, deviation, law)

    def finding(self, subject: str, severity: Severity, deviation: Deviation, law: Law) -> Finding:
        """Say what is wrong with a share."""
        low, high = deviation.interval(law.warn_z, top=1.0)
        low, high = min(low, deviation.expected - self.effect.warn), max(high, deviation.expected + self.effect.warn)
        return found(
            self.kind, severity, self.noun(subject), deviation, (max(low, 0.0), min(high, 1.0)), self.fix,
            subject=subject.partition("@")[0], lf=self.lf(subject), spell=percent,
        )  # fmt: skip

    def _share(self, measured: Mapping[str, Share], subject: str) -> Share:
        if subject in measured:
            part, whole = measured[subject]
            return part, whole
        return 0.0, max((whole for _, whole in measured.values()), default=0.0)


def found(
    kind: str,
    severity: Severity,
    noun: str,
    deviation: Deviation,
    expected: tuple[float, float],
    fix: str,
    *,
    subject: str = "",
    lf: str | None = None,
    spell: Any = None,
) -> Finding:
    """Make a finding of a deviation: its sentence has the figure and the interval that was expected."""
    spell = spell or (lambda value: f"{value:,.0f}")
    low, high = expected
    message = (
        f"{noun} is {spell(deviation.figure)}; after {deviation.partitions} earlier partitions "
        f"{spell(low)} to {spell(high)} was expected (z {deviation.z:+.1f})"
    )
    return Finding(
        check=kind,
        severity=severity,
        column=kind,
        figure=rounded(deviation.figure),
        threshold=rounded(high if deviation.z > 0 else low),
        lf=lf,
        message=message,
        fix=fix,
        subject=subject,
        low=rounded(low),
        high=rounded(high),
        z=rounded(round(deviation.z, 3)),
    )


def percent(share: float) -> str:
    """Spell a share for people."""
    return f"{share:.2%}" if share < 0.1 else f"{share:.1%}"


KINDS: Kinds[Check] = Kinds("check of the gate", BeamBellError)
"""All checks, by kind."""
