"""What holds for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from beambell.labeling import patterns

# CI has two busy cores: how long an example takes says nothing about the code.
settings.register_profile("beambell", deadline=None)
settings.load_profile("beambell")

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DVC_NO_ANALYTICS"] = "true"


@pytest.fixture(params=["numpy", "machine code"], scope="module")
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever holds of packed patterns holds however few there are: with either set of loops."""
    with pytest.MonkeyPatch.context() as patch:
        for least in ("_WORTH_LOADING", "_WORTH_IMPORTING"):
            patch.setattr(patterns, least, sys.maxsize if request.param == "numpy" else 0)
        yield
