"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# CI has two busy cores: how long an example takes says nothing about the code.
settings.register_profile("beambell", deadline=None)
settings.load_profile("beambell")

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DVC_NO_ANALYTICS"] = "true"
