"""What ``params.yaml`` says of people's feedback, and of the rows that they are asked about."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from beambell.config.places import Pattern
from beambell.config.section import Section, Share


class ReviewQueueParams(Section):
    """Which rows reviewers are asked about (see docs/review-queue.md).

    Attributes
    ----------
    size
        Number of rows in a queue.
    entropy
        Share of rows whose class is in doubt. The four shares are taken as they relate to each other.
    uncovered
        Share of rows that no labeling function votes on.
    disagreement
        Share of rows on which the end model says another class than the label model.
    random
        Share of rows drawn at random, which stand for all.
    blind
        Rows that are shown without what the system makes of them: those drawn at ``random``, ``all`` or ``none``. A
        reviewer who does not see the system's answer is not led by it, so figures from such rows are unbiased.
    """

    size: int = Field(default=100, ge=1)
    entropy: Share = 0.5
    uncovered: Share = 0.15
    disagreement: Share = 0.15
    random: Share = 0.2
    blind: Literal["random", "all", "none"] = "random"

    @model_validator(mode="after")
    def _asks_for_some(self) -> ReviewQueueParams:
        if not self.entropy + self.uncovered + self.disagreement + self.random > 0:
            raise ValueError("one of the shares must be above 0")
        return self


class FeedbackParams(Section):
    """What people say of rows, and what becomes of it (see docs/feedback.md).

    Attributes
    ----------
    inputs
        Globs of files of events, relative to the project (or fsspec URLs). A file is taken in once; what it said stays
        when it is removed or changed.
    consensus
        Rule by which the answers of several reviewers become one: ``majority``, or ``dawid_skene``, which weighs each
        reviewer by how often the others agree with them.
    min_reviewers
        Smallest number of reviewers who decided, for a class or against all; with fewer, a row is undecided.
    min_agreement
        Smallest share of these reviewers (with ``dawid_skene``: smallest probability) for one answer; below it a row is
        undecided. Ties always are.
    evaluate
        Share of rows, chosen by hash, whose feedback only measures: no label model is fitted to it, and no end model
        trained on it.
    queue
        Settings of the rows that reviewers are asked about.
    """

    inputs: tuple[Pattern, ...] = ()
    consensus: Literal["majority", "dawid_skene"] = "majority"
    min_reviewers: int = Field(default=1, ge=1)
    min_agreement: Share = 0.5
    evaluate: float = Field(default=0.2, ge=0, lt=1)
    queue: ReviewQueueParams = ReviewQueueParams()
