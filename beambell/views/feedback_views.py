"""What people said, and what it tells: reviewers, contradictions, precision of LFs, accuracy of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from beambell.artefacts.kinds.feedback import Batch, Consensus
from beambell.feedback.batches import read_batches, read_quarantine
from beambell.project import Project
from beambell.store import Layout, Manifest
from beambell.store.tables import read_table
from beambell.workshop.reviewed import SHOWN, LFPrecision, ReviewedPrecision, ReviewedRows


@dataclass(frozen=True)
class ReviewerView:
    """One reviewer.

    Attributes
    ----------
    rows, unsure
        Number of rows with an answer, and of those answered with "unsure".
    compared
        Number of pairs: a decision of this reviewer and one of another reviewer on the same row.
    agreement
        Fraction of these pairs that are equal, 0 to 1; ``None`` if there are none.
    """

    reviewer: str
    rows: int
    unsure: int
    compared: int
    agreement: float | None


@dataclass(frozen=True)
class FeedbackView:
    """All feedback at a glance.

    Attributes
    ----------
    batches, events, quarantined
        Taken in; events once each; what was set aside because it is no event.
    withdrawn, superseded, outside, different
        Events that were taken back; replaced by a later one of the reviewer; labels outside of today's classes; ids
        that stand for different things.
    rows, labelled, not_label, not_a_class, unsure, undecided
        Rows that something was said of, and what the consensus on them is; of ``not_label`` rows, what they are not.
    contradicted
        Rows on which reviewers disagree.
    unknown, waiting
        Rows that are not there (yet), and rows whose votes are of other LFs than the state's.
    fit, evaluate
        Labelled rows with votes that label models are fitted to, and those that only measure.
    reviewers, contradictions, unknown_rows, rejects
        Details, the first of each.
    lfs
        Precision of each labeling function, the least precise first.
    labels, labels_covered
        Accuracy of the label model on the part that only measures; and the share of its rows that have votes.
    stale
        Reason why `beambell feedback sync` has something to do; ``None`` if it has not.
    """

    batches: int
    events: int
    quarantined: int
    withdrawn: int
    superseded: int
    outside: int
    different: int
    rows: int
    labelled: int
    not_label: int
    not_a_class: int
    unsure: int
    undecided: int
    contradicted: int
    unknown: int
    waiting: int
    fit: int
    evaluate: int
    reviewers: tuple[ReviewerView, ...]
    contradictions: tuple[Mapping[str, object], ...]
    unknown_rows: tuple[str, ...]
    rejects: tuple[Mapping[str, object], ...]
    lfs: tuple[LFPrecision, ...]
    labels: ReviewedPrecision | None
    labels_covered: float | None
    stale: str | None


_FIGURES = (
    "events", "withdrawn", "superseded", "outside", "different", "rows", "labelled", "not_label", "not_a_class",
    "unsure", "undecided", "contradicted", "unknown",
)  # fmt: skip


def show_feedback(project: Project, stale: str | None = None) -> FeedbackView:
    """Sum up all feedback.

    Parameters
    ----------
    stale
        Reason why the consensus is behind, if it is.
    """
    store = project.store
    batches, manifest = read_batches(store), store.read(Layout.FEEDBACK)
    rejects = read_quarantine(store, batches)
    reviewed = ReviewedRows.read(project, manifest) if manifest else None
    figures = Consensus.of(manifest).figures if manifest else {}
    labels, covered = reviewed.labels() if reviewed else (None, None)
    return FeedbackView(
        batches=len(batches),
        quarantined=sum(Batch.of(batch).quarantined for batch in batches.values()),
        **{name: figures.get(name, 0) for name in _FIGURES},
        waiting=reviewed.waiting() if reviewed else 0,
        fit=reviewed.counted("fit") if reviewed else 0,
        evaluate=reviewed.counted("evaluate") if reviewed else 0,
        reviewers=_reviewers(project, manifest) if manifest else (),
        contradictions=reviewed.contradictions() if reviewed else (),
        unknown_rows=reviewed.unknown() if reviewed else (),
        rejects=tuple(rejects.select(["file", "line", "message"]).slice(0, SHOWN).to_pylist()),
        lfs=reviewed.lfs() if reviewed else (),
        labels=labels,
        labels_covered=covered,
        stale=stale,
    )


def _reviewers(project: Project, manifest: Manifest) -> tuple[ReviewerView, ...]:
    table = read_table(project.store, Layout.FEEDBACK, manifest.files["reviewers"])
    return tuple(
        ReviewerView(
            one["reviewer"], one["rows"], one["unsure"], one["compared"],
            one["agreed"] / one["compared"] if one["compared"] else None,
        )
        for one in table.to_pylist()
    )  # fmt: skip
