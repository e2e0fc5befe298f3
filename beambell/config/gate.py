"""What ``params.yaml`` says of the quality that labels must have."""

from __future__ import annotations

from beambell.config.section import Section, Share


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
    """

    max_lost: Share = 0.05
    max_quarantined: Share = 0.05
    max_duplicates: Share = 0.2
    min_coverage: Share = 0.3
    max_conflict: Share = 0.5
    min_class_share: Share = 0.01
    max_lf_errors: Share = 0.01
