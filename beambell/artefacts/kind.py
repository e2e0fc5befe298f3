"""What a kind of artefact is: declared once, as a class, and found by its folder.

A kind says where its artefacts lie, what their manifests are called, which of their inputs name other artefacts, and
how a damaged one is made good. Verification, garbage collection, lineage and the README of a data root follow from
that. To add a kind, add one class to a module of `beambell.artefacts.kinds`.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from beambell.artefacts.graph import SHORT, Graph
from beambell.errors import ArtefactError
from beambell.store.layout import Layout
from beambell.store.partition import Partition

if TYPE_CHECKING:
    from beambell.store.manifest import Manifest, Store


OF_PARTITION: Final = "stream=S/dt=D"
"""Folder of a partition's artefact, below the folder of its kind."""

_REMOVE = "remove {where}, then `beambell run` makes it anew"
_REMOVE_BOTH = "remove {where} and {folder}/manifest.json, then `beambell run` makes both anew"
_REMOVE_PAST = "restore it from a backup, or remove it: only lineage of older artefacts needs it"


@dataclass(frozen=True)
class Reference:
    """An input that is the digest of another artefact: of its manifest, or of one of its files.

    Attributes
    ----------
    name
        Name of the input.
    folder
        Folder of the kind that it points to.
    is_parent
        Whether lineage follows it.
    is_checked
        Whether `verify` looks for what it points to.
    formerly
        Folder of the kind that it pointed to in earlier versions; empty if that is the same.
    """

    name: str
    folder: str
    is_parent: bool = True
    is_checked: bool = True
    formerly: str = ""

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders of the kinds that it may point to."""
        return (self.folder, self.formerly) if self.formerly else (self.folder,)


@dataclass(frozen=True)
class Artefact:
    """A published artefact, or one that was replaced and kept in history; each kind is a class of its own.

    Attributes
    ----------
    manifest
        Manifest of the artefact.
    folder
        Folder of the artefact below the data root; empty where nobody asks for it.
    place
        Path of the manifest below the data root.
    current
        Whether it is the folder's present one.
    """

    manifest: Manifest
    folder: str = ""
    place: str = ""
    current: bool = True

    KIND: ClassVar[str]
    """Word by which its manifests call themselves."""
    FOLDER: ClassVar[str]
    """Folder below the data root in which all artefacts of the kind lie."""
    TITLE: ClassVar[str]
    """Word by which people call one of them."""
    SENTENCE: ClassVar[str]
    """What it is, in a line."""
    BELOW: ClassVar[str] = OF_PARTITION
    """Folder of one artefact below `FOLDER`, as people read it; empty if there is one for the whole project."""
    FILES: ClassVar[tuple[str, ...]] = ()
    """Roles of its data files."""
    REFERENCES: ClassVar[tuple[Reference, ...]] = ()
    """Inputs that name other artefacts."""
    KEEPS_HISTORY: ClassVar[bool] = False
    """Whether every manifest there ever was is kept."""
    FIGURES: ClassVar[tuple[str, ...]] = ()
    """Names of the facts that people and ``--json`` are told when a stage has made one."""
    NEVER_GARBAGE: ClassVar[str | None] = None
    """Beginning of the roles whose files outlive their artefact, for lineage of what was made from it."""
    MEND: ClassVar[str | None] = None
    """What to do about a damaged one that no command makes anew; ``{where}`` and ``{folder}`` are filled in."""

    def __init_subclass__(cls, **words: Any) -> None:
        super().__init_subclass__(**words)
        if "FOLDER" in cls.__dict__:
            _BY_FOLDER[cls.FOLDER] = cls

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Read a manifest as one of this kind, wherever it lies."""
        return cls(manifest)

    @classmethod
    def each(cls, store: Store) -> dict[Partition, Self]:
        """Read all that are published of this kind, by partition, in order."""
        return {partition: cls(manifest) for partition, manifest in store.partitions(cls.FOLDER).items()}

    @classmethod
    def read(cls, store: Store, partition: Partition | None = None) -> Self | None:
        """Read the one that is published, for a partition or for the project; ``None`` if there is none."""
        folder = cls.FOLDER if partition is None else Layout.of(cls.FOLDER, partition)
        manifest = store.read(folder)
        return cls(manifest, folder) if manifest else None

    @property
    def partition(self) -> str | None:
        """Its partition, as ``comments/2026-01-03``; ``None`` if it belongs to none."""
        match = re.search(r"stream=([^/]+)/dt=([^/]+)$", self.folder)
        return str(Partition(*match.groups())) if match else None

    @property
    def name(self) -> str:
        """Name by which people know it among those of its kind."""
        return self.partition or self.manifest.id[:SHORT]

    @property
    def home(self) -> str | None:
        """Folder where it belongs by what it says of itself; ``None`` if it does not say."""
        facts = self.manifest.facts
        if self.BELOW == OF_PARTITION and {"stream", "dt"} <= facts.keys():
            return f"{self.FOLDER}/stream={facts['stream']}/dt={facts['dt']}"
        return None

    @property
    def figures(self) -> dict[str, Any]:
        """Figures that people are told of it, by name; without those that it does not have."""
        return {name: self.manifest.facts[name] for name in self.FIGURES if name in self.manifest.facts}

    @property
    def own_digests(self) -> Iterator[str]:
        """Digests of the manifest and of its files, hex."""
        yield self.manifest.id
        yield from (ref.sha256 for ref in self.manifest.files.values())

    @property
    def digests(self) -> Iterator[str]:
        """Digests by which others refer to it, hex; some kinds have more than those of their files."""
        yield from self.own_digests

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:  # noqa: ARG002 - some kinds read their parents from files
        """Keys of what it was made from, in a graph that knows all artefacts."""
        for reference in self.REFERENCES:
            if reference.is_parent and reference.name in self.manifest.inputs:
                kind = kind_at(reference.folder)
                partition = self.partition if kind.BELOW == OF_PARTITION else None
                digest = self.manifest.inputs[reference.name]
                titles = [kind_at(folder).TITLE for folder in reference.folders]
                known = next((title for title in titles if graph.has(title, partition, digest)), kind.TITLE)
                yield graph.made(known, partition, digest)


_BY_FOLDER: dict[str, type[Artefact]] = {}


@cache
def kinds() -> Mapping[str, type[Artefact]]:
    """Find all kinds by their folders; of two folders of which one lies in the other, the inner one is first."""
    from beambell.artefacts import kinds as package

    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(_BY_FOLDER.items(), key=lambda item: (-item[0].count("/"), item[0])))


def kind_at(folder: str) -> type[Artefact]:
    """Kind whose artefacts lie in a folder."""
    return kinds()[folder]


def kind_of(folder: str) -> type[Artefact] | None:
    """Kind that an artefact's folder belongs to; ``None`` if nothing is published there."""
    folder = Layout.today(folder)
    return next((kind for top, kind in kinds().items() if folder == top or folder.startswith(f"{top}/")), None)


class Homes:
    """What the store asks about kinds: whether a manifest lies where it belongs, and how a damaged file is mended."""

    def check(self, folder: str, manifest: Manifest, where: str) -> None:
        """Refuse a manifest that lies where it does not belong: it was copied, moved or swapped.

        Parameters
        ----------
        folder
            Folder where it lies, below the data root.
        manifest
            Manifest that is checked.
        where
            Path or URL of the manifest, for the message.

        Raises
        ------
        ArtefactError
            If it says of itself another kind, partition, name or number than its folder does.
        """
        kind = kind_of(folder)
        if kind is None:
            return
        if manifest.kind != kind.KIND:
            what = f"a manifest of kind {manifest.kind!r} where one of kind {kind.KIND!r} belongs"
        elif (home := kind.of(manifest).home) not in (None, Layout.today(folder)):
            what = f"the manifest of {home}, which does not belong here: it was copied, moved or swapped"
        else:
            return
        raise ArtefactError(what, where=where, fix=self.how_to_mend(f"{folder}/{Layout.MANIFEST}"))

    def how_to_mend(self, where: str) -> str:
        """Say what makes a damaged file good again, given its name below the data root."""
        folder, _, name = where.rpartition("/")
        kind = kind_of(folder)
        if kind is not None and kind.MEND is not None:
            text = kind.MEND
        elif f"/{Layout.HISTORY}/" in where:
            text = _REMOVE_PAST
        else:
            text = _REMOVE if name == Layout.MANIFEST else _REMOVE_BOTH
        return text.format(where=where, folder=folder)


HOMES: Final = Homes()
"""What a project's store is given."""
