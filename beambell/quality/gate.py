"""The gate: which partitions' labels may be published, and what is wrong with the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from beambell.errors import ArtefactError
from beambell.quality.expectations import LOST, Check, lf_checks, partition_checks
from beambell.quality.finding import Finding, rounded
from beambell.quality.summary import (
    LF_KEY,
    PARTITION_KEY,
    LFSummary,
    PartitionSummary,
    lf_frame,
    partition_frame,
    voters_column,
)
from beambell.quality.validation import Result, check_of, validate
from beambell.quality.verdict import Verdict

if TYPE_CHECKING:
    from beambell.config.gate import GateParams

PartitionKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of judging some partitions.

    Attributes
    ----------
    verdicts
        Verdicts by ``(stream, dt)``, in that order. Each depends on its own partition's summaries only.
    results
        Great Expectations' validation results, by suite (``partitions``, ``labeling_functions``), over all
        the partitions judged; the same bytes for the same input.
    """

    verdicts: dict[PartitionKey, Verdict] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every partition passed."""
        return all(verdict.passed for verdict in self.verdicts.values())


def judge(
    partitions: Sequence[PartitionSummary],
    lfs: Sequence[LFSummary],
    thresholds: GateParams,
    *,
    classes: Sequence[str],
    voteless: Sequence[str] = (),
) -> Judgement:
    """Judge partitions, all in one run of Great Expectations.

    Parameters
    ----------
    partitions
        Summaries to judge, in any order; with none, Great Expectations is not even imported.
    lfs
        Summaries of the labeling functions on these partitions.
    thresholds
        The bounds.
    classes
        Names of the K classes, in the order of ``class_shares``.
    voteless
        Names of the classes that no labeling function votes for.

    Raises
    ------
    ArtefactError
        If summaries contradict each other: a key twice, a labeling function on a partition that is not
        judged, another number of classes.
    BeamBellError
        If Great Expectations could not evaluate a check.
    """
    judged = {(summary.stream, summary.dt) for summary in partitions}
    for lf in lfs:
        if (lf.stream, lf.dt) not in judged:
            raise ArtefactError(
                f"labeling function {lf.lf} is summarised on a partition that is not judged",
                where=f"{lf.stream}/{lf.dt}",
                fix="judge the partition and its labeling functions together",
            )
    failures: defaultdict[PartitionKey, list[Finding]] = defaultdict(list)
    results: dict[str, Result] = {}
    if partitions:
        checks = partition_checks(thresholds, classes, voteless)
        frame = partition_frame(partitions, classes).assign(**{voters_column(name): 0 for name in voteless})
        results["partitions"] = validate("partitions", frame, PARTITION_KEY, checks)
        _collect(failures, results["partitions"], checks)
        _name_files(failures, partitions)
    if lfs:
        checks = lf_checks(thresholds)
        results["labeling_functions"] = validate("labeling_functions", lf_frame(lfs), LF_KEY, checks)
        _collect(failures, results["labeling_functions"], checks)
    return Judgement({key: Verdict.of(tuple(failures[key])) for key in sorted(judged)}, results)


def _collect(failures: dict[PartitionKey, list[Finding]], result: Result, checks: Sequence[Check]) -> None:
    for key, failure in _failures(result, checks):
        failures[key].append(failure)


def _name_files(failures: dict[PartitionKey, list[Finding]], partitions: Sequence[PartitionSummary]) -> None:
    """Add to what was lost the names of the files that lost it."""
    for summary in partitions:
        key = (summary.stream, summary.dt)
        failures[key] = [
            replace(failure, message=f"{failure.message}: {', '.join(summary.lost_files)}")
            if failure.check == LOST and summary.lost_files
            else failure
            for failure in failures[key]
        ]


def _failures(result: Result, checks: Sequence[Check]) -> Iterator[tuple[PartitionKey, Finding]]:
    """Read the failures off Great Expectations' result: it decides which rows are unexpected."""
    by_name = {(check.name, check.column): check for check in checks}
    for each in result["results"]:
        check = by_name[check_of(each)]
        severity = each["expectation_config"]["severity"]
        for row in each["result"]["unexpected_index_list"]:
            value, lf = row[check.column], row.get("lf")
            figure = None if value is None else rounded(value)
            sentence = check.sentence(figure)
            yield (
                (row["stream"], row["dt"]),
                Finding(
                    check=check.name,
                    severity=severity,
                    column=check.column,
                    figure=figure,
                    threshold=rounded(check.threshold),
                    lf=lf,
                    message=f"{lf}: {sentence}" if lf else sentence,
                    fix=check.fix,
                    subject=lf or "",
                    low=check.low,
                    high=check.high,
                ),
            )
