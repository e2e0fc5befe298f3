"""All that a data root says of itself at one time: one listing, every manifest, current and past."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from beambell.artefacts.kind import HOMES, Artefact, kind_of, kinds
from beambell.errors import ArtefactError, BeamBellError
from beambell.store.backend import Entry
from beambell.store.layout import Layout
from beambell.store.manifest import FILE_NAME, HISTORY, Manifest, Store


@dataclass(frozen=True)
class Snapshot:
    """A data root as it was.

    Attributes
    ----------
    entries
        Every file below the folders of artefacts, with its size.
    artefacts
        Artefacts that could be read.
    unreadable
        The manifests that could not, and why.
    """

    entries: dict[str, Entry]
    artefacts: tuple[Artefact, ...]
    unreadable: dict[str, BeamBellError] = field(default_factory=dict)

    @property
    def current(self) -> Iterator[Artefact]:
        """What a reader sees."""
        return (artefact for artefact in self.artefacts if artefact.current)

    @property
    def revisions(self) -> Iterator[Artefact]:
        """What is only in history."""
        ids = {(artefact.folder, artefact.manifest.id) for artefact in self.current}
        return (a for a in self.artefacts if not a.current and (a.folder, a.manifest.id) not in ids)


def take_snapshot(store: Store) -> Snapshot:
    """Read every manifest there is; one that cannot be read is noted, and the others are read all the same."""
    entries: dict[str, Entry] = {}
    for top in (*kinds(), Layout.LFS, Layout.PUBLIC):
        entries |= store.files.walk(top)
    places = [name for name in entries if name.endswith(f"/{FILE_NAME}") or _in_history(name)]
    artefacts, unreadable = [], _folders_for_manifests(store)
    for place, data in _read_each(store, places, unreadable):
        try:
            manifest = Manifest.from_bytes(data, store.files.path(place), place, HOMES)
        except ArtefactError as error:
            unreadable[place] = error
            continue
        folder = place.rpartition(f"/{HISTORY}/")[0] or place.removesuffix(f"/{FILE_NAME}")
        kind = kind_of(folder) or Artefact
        artefacts.append(kind(manifest, folder, place, current=not _in_history(place)))
    return Snapshot(entries, tuple(sorted(artefacts, key=lambda artefact: artefact.place)), unreadable)


def _folders_for_manifests(store: Store) -> dict[str, BeamBellError]:
    """Find folders that have the name of a manifest: a walk over files does not show them."""
    found: dict[str, BeamBellError] = {}
    for kind in kinds() if store.files.is_local else ():
        for folder in store.stamps(kind):
            place = f"{folder}/{FILE_NAME}"
            if store.files.is_folder(place):
                found[place] = ArtefactError("a folder lies where a manifest belongs", where=store.files.path(place))
    return found


def _read_each(store: Store, places: list[str], unreadable: dict[str, BeamBellError]) -> Iterator[tuple[str, bytes]]:
    """Read files, all at once if each can be read."""
    try:
        yield from store.files.read_many(places).items()
    except BeamBellError:
        yield from _read_one_by_one(store, places, unreadable)


def _read_one_by_one(
    store: Store, places: list[str], unreadable: dict[str, BeamBellError]
) -> Iterator[tuple[str, bytes]]:
    for place in places:
        try:
            data = store.files.read(place)
        except BeamBellError as error:
            unreadable[place] = error
            continue
        if data is not None:
            yield place, data


def _in_history(name: str) -> bool:
    return re.search(rf"/{HISTORY}/[0-9a-f]{{64}}\.json$", name) is not None
