"""The page that says what lies where below a data root."""

from __future__ import annotations

from pathlib import Path

from beambell.artefacts.readme import FILE, readme

ROOT = Path(__file__).parents[2]


def test_the_page_is_not_stale():
    assert (ROOT / FILE).read_text() == readme(), "run `python -m beambell.artefacts.readme`"
