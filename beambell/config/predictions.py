"""What ``params.yaml`` says of predictions: which partitions the champion is to predict."""

from __future__ import annotations

from typing import Literal

from beambell.config.section import Days, Name, Section


class PredictionsParams(Section):
    """Which partitions the champion predicts in every run (see docs/end-models.md).

    Attributes
    ----------
    mode
        Condition of predictions. ``off``: none are made but by `beambell predict`. ``champion``: every partition has
        those of the version that is served, and is predicted anew when another takes its place.
    streams
        Streams that are predicted; ``None`` for all.
    days
        Number of days, back from the newest partition, that are predicted; ``None`` for all.
    """

    mode: Literal["off", "champion"] = "off"
    streams: tuple[Name, ...] | None = None
    days: Days | None = None
