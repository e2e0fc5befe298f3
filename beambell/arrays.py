"""Types of NumPy arrays, and what -1 means in them, each named once.

Shapes are in the docstrings of those that take and give them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

ABSTAIN: Final = -1
"""Vote of a labeling function that says nothing about a row."""

NO_CLASS: Final = -1
"""Label of a row that has none."""

Votes = npt.NDArray[np.int8]
"""Votes: 0..K-1, or -1 where a labeling function abstained."""

Packed = npt.NDArray[np.uint8]
"""Vote patterns, packed (see `beambell.state.patterns`)."""

Counts = npt.NDArray[np.int64]
"""Numbers of rows."""

Integers = npt.NDArray[np.int64]
"""Positions of rows, and other whole numbers."""

Hashes = npt.NDArray[np.uint64]
"""Hashes, and keys that sort as what they stand for."""

Floats = npt.NDArray[np.float64]
"""Probabilities, shares, weights and other real numbers."""

Mask = npt.NDArray[np.bool_]
"""Whether something holds."""
