"""A labeling function written for snorkel works as it is.

It has a module of its own because ``import snorkel.labeling`` takes seconds: list the module in ``params.yaml``
(``lfs: modules:``) where you have such functions, and leave it out where you do not.
"""

from __future__ import annotations

from typing import Any

from snorkel.labeling import labeling_function

HAM, ABSTAIN = 0, -1


@labeling_function()  # type: ignore[untyped-decorator]
def replies_to_somebody(row: Any) -> int:
    """Begin by addressing somebody by name."""
    return HAM if row.text.startswith("@") and row.text[1:2].isupper() else ABSTAIN
