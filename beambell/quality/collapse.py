"""Collapse: a label model that gives one class to all rows, though their votes do not."""

from __future__ import annotations

from collections.abc import Mapping

from beambell.quality.finding import Finding, rounded
from beambell.quality.reference import Share

KIND = "collapse"
ALL, MOST, ENOUGH = 0.995, 0.9, 200  # shares of labels and of majorities of votes; rows with a majority


def is_suspicious(labels: Mapping[str, int]) -> bool:
    """Whether nearly all rows have one label, so that their votes are worth a look."""
    return max(labels.values(), default=0) >= max(ALL * sum(labels.values()), 1)


def find_collapse(labels: Mapping[str, int], majorities: Mapping[str, Share]) -> tuple[Finding, ...]:
    """Compare the labels of a partition with the majorities of its votes.

    Parameters
    ----------
    labels
        Number of rows by the class that they are labelled with.
    majorities
        Rows whose votes are mostly for a class, and rows whose votes have a majority, by class; of the labeling
        functions that the label model listens to.
    """
    total = sum(labels.values())
    if not total:
        return ()
    name = max(labels, key=lambda one: (labels[one], one))
    part, whole = majorities.get(name, (0.0, 0.0))
    share = labels[name] / total
    if share < ALL or whole < ENOUGH or part / whole > MOST:
        return ()
    return (
        Finding(
            KIND, "critical", KIND, rounded(share), ALL, None,
            f"the label model labels {share:.1%} of the rows as {name}, but {part / whole:.1%} of the "
            f"majorities of votes are for it, of {whole:,.0f}",
            "compare label models with `beambell lm compare`, and see label_model in params.yaml: majority and "
            "dawid_skene rarely collapse; then run `beambell run`",
            name, 0.0, rounded(max(ALL, part / whole)),
        ),
    )  # fmt: skip
