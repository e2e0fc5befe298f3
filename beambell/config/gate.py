"""What ``params.yaml`` says of the quality that labels must have."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from beambell.config.section import Name, Section, Share
from beambell.config.streams import Duration


class StreamGateParams(Section):
    """Bounds of one stream, in place of those of all; what is left out is as for all.

    Attributes
    ----------
    max_lost, max_quarantined, max_duplicates, min_coverage, max_conflict, min_class_share, max_lf_errors
        Bounds as in ``gate``.
    min_rows, max_rows
        Bounds as in ``gate``.
    expected
        Fate of partitions that the stream misses, as in ``gate``.
    lateness
        Time after the end of a partition by which it is expected, by the clock: ``6 hours``, ``2 days``. Without it,
        a stream is expected to be as far as the others.
    """

    max_lost: Share | None = None
    max_quarantined: Share | None = None
    max_duplicates: Share | None = None
    min_coverage: Share | None = None
    max_conflict: Share | None = None
    min_class_share: Share | None = None
    max_lf_errors: Share | None = None
    min_rows: int | None = Field(default=None, ge=0)
    max_rows: int | None = Field(default=None, ge=0)
    expected: Literal["warn", "block", "off"] | None = None
    lateness: Duration | None = None


class GateParams(Section):
    """Bounds on label quality; ``max_lost``, ``max_quarantined``, ``min_coverage`` and ``max_lf_errors`` block.

    Attributes
    ----------
    max_lost
        Largest share of the bytes delivered that may lie in files which could not be read to their end.
    max_quarantined
        Largest share of the records read that may be quarantined.
    max_duplicates
        Largest share of the records read that may repeat the id of a later record.
    min_coverage
        Smallest share of the rows that some labeling function must vote on.
    max_conflict
        Largest share of the rows on which labeling functions may vote for different classes.
    min_class_share
        Smallest share of the covered rows that each class must have.
    max_lf_errors
        Largest share of the rows on which any one labeling function may fail.
    min_rows, max_rows
        Smallest and largest number of rows of a partition; both block.
    memory
        Number of the last good partitions of its stream that a partition is compared with; 0 compares with none.
    warn_z, block_z
        Distance from these, in standard errors, from which on a deviation that matters warns, and from which on it may
        block.
    broken_lfs
        Fate of a labeling function that votes against all others: ``quarantine`` lets it weigh nothing in the label
        model until somebody decides; ``block`` refuses the partitions.
    expected
        Fate of partitions that a stream misses: ``warn``, ``block`` (the exit code is 3), or ``off``.
    max_churn
        Largest share of published labels that may turn though nobody edited labeling functions or the label model's
        parameters; beyond it the new labels are refused.
    streams
        Bounds of single streams, by name.
    """

    max_lost: Share = 0.05
    max_quarantined: Share = 0.05
    max_duplicates: Share = 0.2
    min_coverage: Share = 0.3
    max_conflict: Share = 0.5
    min_class_share: Share = 0.01
    max_lf_errors: Share = 0.01
    min_rows: int | None = Field(default=None, ge=0)
    max_rows: int | None = Field(default=None, ge=0)
    memory: int = Field(default=28, ge=0, le=366)
    warn_z: float = Field(default=4.0, ge=2.0, le=100.0)
    block_z: float = Field(default=6.0, ge=2.0, le=100.0)
    broken_lfs: Literal["quarantine", "block"] = "quarantine"
    expected: Literal["warn", "block", "off"] = "warn"
    max_churn: Share = 0.1
    streams: dict[Name, StreamGateParams] = Field(default={})

    @model_validator(mode="after")
    def _bounds_agree(self) -> GateParams:
        if self.warn_z > self.block_z:
            raise ValueError(f"warn_z ({self.warn_z:g}) is above block_z ({self.block_z:g}): what blocks warns, too")
        for stream in (None, *self.streams):
            bounds, where = self.of(stream), f"streams.{stream}: " if stream else ""
            if bounds.min_rows is not None and bounds.max_rows is not None and bounds.min_rows > bounds.max_rows:
                raise ValueError(f"{where}min_rows ({bounds.min_rows}) is above max_rows ({bounds.max_rows})")
        return self

    def of(self, stream: str | None) -> GateParams:
        """Return the bounds of one stream."""
        given = self.streams.get(stream or "")
        own: dict[str, Any] = given.model_dump(exclude_none=True, exclude={"lateness"}) if given else {}
        return self.model_copy(update={**own, "streams": {}})
