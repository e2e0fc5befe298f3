"""Where manifests belong: what a store asks of those who know the kinds of artefact, for it knows none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from beambell.store.manifest import Manifest


class Homes(Protocol):
    """What a store asks of those who know the kinds of artefact: here are bytes, manifests and paths alone."""

    def check(self, folder: str, manifest: Manifest, where: str) -> None:
        """Raise `ArtefactError` for a manifest that lies in a folder where it does not belong."""
        ...

    def how_to_mend(self, where: str) -> str:
        """Say what makes a damaged file good again, given its name below the data root."""
        ...


class Anywhere:
    """Homes of a store whose kinds nobody knows: every manifest belongs where it lies."""

    def check(self, folder: str, manifest: Manifest, where: str) -> None:
        """Take any manifest."""

    def how_to_mend(self, where: str) -> str:
        """Say what helps with any kind."""
        return f"remove {where}, and run the stage again that makes it"


ANYWHERE = Anywhere()
