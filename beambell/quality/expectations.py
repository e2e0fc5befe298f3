"""The checks of the gate, each with its bound, its severity and what to do, as Great Expectations suites."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from beambell.quality.finding import Severity
from beambell.quality.summary import class_column, voters_column

if TYPE_CHECKING:
    from beambell.config.gate import GateParams

LOST = "lost"
"""Name of the check of what was delivered and could not be read."""
FIND_FILES = (
    "deliver these files again, whole, then run `beambell ingest`; "
    "or do without them: `beambell ingest --withdraw FILE`"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One bound on one figure.

    Attributes
    ----------
    name
        Name of the check; with `column` it is unique in a suite.
    column
        The figure, a column of a summary frame.
    noun
        The figure in words, to begin a sentence with.
    severity
        ``critical`` or ``warning``.
    fix
        Advice for when it fails.
    low, high
        Inclusive bounds; ``None`` for none.
    strict
        The lower bound is exclusive.
    required
        A count; where it is positive, NaN fails too. A share of nothing is NaN, and otherwise passes: an empty
        partition fails once, for being empty.
    """

    name: str
    column: str
    noun: str
    severity: Severity
    fix: str
    low: float | None = None
    high: float | None = None
    strict: bool = False
    required: str | None = None

    @property
    def threshold(self) -> float:
        """The bound to report: the upper one, where both exist."""
        bound = self.low if self.high is None else self.high
        assert bound is not None
        return bound

    def sentence(self, figure: float | None) -> str:
        """Say what is wrong with `figure`."""
        value = "not a finite number" if figure is None else f"{figure:.6g}"
        return f"{self.noun} is {value}; it must be {self._bound()}"

    def _bound(self) -> str:
        if self.low is not None and self.high is not None:
            return f"between {self.low:.6g} and {self.high:.6g}"
        if self.high is not None:
            return f"at most {self.high:.6g}"
        return f"{'above' if self.strict else 'at least'} {self.low:.6g}"


def partition_checks(thresholds: GateParams, classes: Sequence[str], voteless: Sequence[str] = ()) -> tuple[Check, ...]:
    """List the checks of a partition's figures (see `beambell.quality.summary.partition_frame`)."""
    return (
        Check(
            "rows",
            "rows",
            "the number of rows",
            "critical",
            "find out whether its files have arrived and whether all their records were quarantined, "
            "then run `beambell ingest` again",
            low=0,
            strict=True,
        ),
        *_sizes(thresholds),
        Check(
            LOST,
            "lost_share",
            "the share of bytes in files that could not be read to their end, or gave no row,",
            "critical",
            FIND_FILES,
            high=thresholds.max_lost,
        ),
        Check(
            "quarantined",
            "quarantined_share",
            "the share of quarantined records",
            "critical",
            "read the quarantine, which names file, line and reason of each; repair the files or the stream's "
            "section of params.yaml, then run `beambell ingest` again",
            high=thresholds.max_quarantined,
        ),
        Check(
            "duplicates",
            "duplicate_share",
            "the share of duplicate records",
            "warning",
            "see whether a file was delivered twice, and whether the stream's id column is unique",
            high=thresholds.max_duplicates,
        ),
        Check(
            "coverage",
            "coverage",
            "the share of rows with a vote",
            "critical",
            "write labeling functions for rows that have no vote, or see which ones fell silent",
            low=thresholds.min_coverage,
        ),
        Check(
            "conflict",
            "conflict_share",
            "the share of rows with different votes",
            "warning",
            "look at rows whose votes differ, and narrow the labeling functions that are wrong on them",
            high=thresholds.max_conflict,
        ),
        *(
            Check(
                "class_share",
                class_column(name),
                f"the share of class {name}",
                "warning",
                "see whether the class really became rare or its labeling functions no longer match",
                low=thresholds.min_class_share,
            )
            for name in classes
        ),
        *(
            Check(
                "class_votes",
                voters_column(name),
                f"the number of labeling functions that vote for class {name}",
                "warning",
                "write a labeling function for it, or take the class out of params.yaml",
                low=0,
                strict=True,
            )
            for name in voteless
        ),
        *_possible("records", "quarantined_share", "duplicate_share"),
        *_possible("rows", "coverage", "conflict_share"),
        *_possible("covered", *map(class_column, classes)),
        # The tolerance is for the rounding of a mean of many maximal entropies.
        *_possible("covered", "mean_entropy", high=math.log(len(classes)) + 1e-6),
    )


def lf_checks(thresholds: GateParams) -> tuple[Check, ...]:
    """List the checks of a labeling function's figures (see `beambell.quality.summary.lf_frame`)."""
    return (
        Check(
            "lf_errors",
            "error_rate",
            "the share of rows on which it raised",
            "critical",
            "see the errors and where they came from with `beambell lf show NAME`, repair the function, "
            "then run `beambell apply` again",
            high=thresholds.max_lf_errors,
        ),
        Check(
            "lf_silent",
            "heard_share",
            "the share of rows on which it voted",
            "info",
            "see whether what it looks for still occurs and is still spelled that way; else retire it",
            low=0,
            strict=True,
        ),
        *_possible("rows", "error_rate", "vote_share"),
    )


def gate_fingerprint(thresholds: GateParams, classes: Sequence[str], voteless: Sequence[str] = ()) -> str:
    """Hash the checks: their bounds, severities and words.

    A stored verdict still holds while its partition's summaries and this fingerprint are the same, and Great
    Expectations need not be imported to know that.

    Returns
    -------
    str
        SHA-256 of the checks, in hex.
    """
    checks = [asdict(check) for check in (*partition_checks(thresholds, classes, voteless), *lf_checks(thresholds))]
    return hashlib.sha256(json.dumps(checks, sort_keys=True).encode()).hexdigest()


def expectation_suite(name: str, checks: Sequence[Check]) -> Any:
    """Translate checks into a ``great_expectations.ExpectationSuite``."""
    import great_expectations as gx

    expectations = [expectation for check in checks for expectation in _expectations(check)]
    return gx.ExpectationSuite(name=name, expectations=expectations)


def _sizes(thresholds: GateParams) -> Iterator[Check]:
    """Check the number of rows, where params.yaml bounds it."""
    low, high = thresholds.min_rows, thresholds.max_rows
    if low is not None or high is not None:
        yield Check(
            "size",
            "rows",
            "the number of rows",
            "critical",
            "find out whether all files of the partition have arrived, each once; or change the bound in params.yaml",
            low=low,
            high=high,
        )


def _possible(required: str, *columns: str, high: float = 1.0) -> Iterator[Check]:
    """Check figures that no threshold can excuse: absent, negative, or more than all."""
    for column in columns:
        yield Check(
            "figures",
            column,
            column,
            "critical",
            "the figure is impossible, so what it was computed from is broken: run `beambell apply`, "
            "`beambell fit` and `beambell label` again, and report it if it stays",
            low=0,
            high=high,
            required=required,
        )


def _expectations(check: Check) -> Iterator[Any]:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    common = {
        "column": check.column,
        "severity": check.severity,
        "meta": {"check": check.name},
        "notes": check.fix,
    }
    yield gxe.ExpectColumnValuesToBeBetween(
        min_value=check.low, max_value=check.high, strict_min=check.strict, **common
    )
    if check.required:
        # "Between" passes over nulls.
        yield gxe.ExpectColumnValuesToNotBeNull(row_condition=Column(check.required) > 0, **common)
