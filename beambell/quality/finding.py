"""What a check found, as plain values that go into JSON and come back equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure that is not as it should be.

    Attributes
    ----------
    check
        Name of the check, such as ``coverage``.
    severity
        ``critical`` blocks publication, ``warning`` asks for a person's look, ``info`` is for the record.
    column
        Name of the figure that was checked.
    figure
        Value of the figure to 6 significant digits; ``None`` if it is not a finite number.
    threshold
        The bound it missed.
    lf
        The labeling function it is about; ``None`` if it is about something else.
    message
        Problem in one sentence, with the figure and what was expected.
    fix
        Advice on what to do about it.
    subject
        Part of the partition that it is about: a labeling function, a class, a field; empty for the partition itself.
    low, high
        Ends of the interval in which the figure was expected; ``None`` for an open end.
    z
        Distance from what was expected in standard errors; ``None`` for an absolute bound.
    """

    check: str
    severity: Severity
    column: str
    figure: float | None
    threshold: float
    lf: str | None
    message: str
    fix: str
    subject: str = ""
    low: float | None = None
    high: float | None = None
    z: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Check and subject: two findings with the same key are the same complaint."""
        return self.check, self.lf or self.subject or self.column

    @property
    def blocks(self) -> bool:
        """Whether the labels may not be published."""
        return self.severity == "critical"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Finding:
        """Read back what `to_dict` wrote, now or in an earlier version."""
        return cls(**{name: values[name] for name in _NAMES if name in values})


_NAMES = tuple(field.name for field in fields(Finding))


def rounded(value: float) -> float:
    """Round to 6 significant digits, so that figures are the same wherever they are computed."""
    return float(f"{value:.6g}")
