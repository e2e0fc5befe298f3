"""Continuous weak supervision: versioned labeling functions over partitions, exact state, tracked models.

``from beambell import Project`` is the way in for a notebook; ``beambell`` is the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beambell.project import Project

__all__ = ["Project", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Importing the package must cost nothing: the command starts here, too.
    if name == "Project":
        from beambell.project import Project

        return Project
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
