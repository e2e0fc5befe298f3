"""What the gate says of one partition, as plain values that go into JSON and come back equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One figure beyond its bound.

    Attributes
    ----------
    check
        Name of the check, such as ``coverage``.
    severity
        ``critical`` blocks publication, ``warning`` does not.
    column
        Name of the figure that was checked.
    figure
        Value of the figure to 6 significant digits; ``None`` if it is not a finite number.
    threshold
        The bound it missed.
    lf
        The labeling function it is about; ``None`` if it is about the partition.
    message
        Problem in one sentence.
    fix
        Advice on what to do about it.
    """

    check: str
    severity: Severity
    column: str
    figure: float | None
    threshold: float
    lf: str | None
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer for one partition.

    Attributes
    ----------
    passed
        Whether its labels may be published: no failure is critical.
    failures
        Failed checks: those of the partition in the order of the suite, then those of its LFs.
    """

    passed: bool
    failures: tuple[Failure, ...] = ()

    @classmethod
    def of(cls, failures: tuple[Failure, ...]) -> Verdict:
        """Let the failures decide."""
        return cls(all(failure.severity != "critical" for failure in failures), failures)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"passed": self.passed, "failures": [asdict(failure) for failure in self.failures]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Read back what `to_dict` wrote."""
        return cls(values["passed"], tuple(Failure(**failure) for failure in values["failures"]))
