"""The manifest is the commit: data files first, one small ``manifest.json`` last, replaced atomically.

A reader starts from the manifest, so it never sees a file that is not finished, and a stage killed at any instant
leaves either the old artefact or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from beambell.errors import ArtefactError
from beambell.store.backend import CHUNK, Entry
from beambell.store.cache import Cache
from beambell.store.canonical import canonical_json, digest
from beambell.store.checked import digest_of
from beambell.store.files import Files, HashingSink
from beambell.store.homes import ANYWHERE, Homes
from beambell.store.layout import Layout
from beambell.store.partition import Partition
from beambell.store.version import mark_version

FILE_NAME, HISTORY = Layout.MANIFEST, Layout.HISTORY
REMEMBERED = 1
"""To be raised whenever what is remembered of a manifest has another form."""

_ID_LINE = re.compile(rb'\n  "id": "([0-9a-f]{64})",')
"""The id as `Manifest.to_bytes` spells it: of all keys named so, it alone is indented by two spaces."""


@dataclass(frozen=True)
class FileRef:
    """A data file as its manifest names it.

    Attributes
    ----------
    name
        Path relative to the manifest's folder.
    sha256, bytes
        Digest of its content, and its size in bytes.
    rows
        Number of rows of its table; 0 for what is not a table.
    """

    name: str
    sha256: str
    bytes: int
    rows: int = 0


@dataclass(frozen=True)
class Manifest:
    """What an artefact is, and what it was made from.

    Attributes
    ----------
    kind
        ``partition``, ``votes``, ``state``, ``label_model`` and so on.
    files
        Role to file.
    inputs
        Name to digest of each thing it was made from: when these are unchanged, so is the artefact.
    facts
        Figures and descriptions that later stages and people read.
    """

    kind: str
    files: Mapping[str, FileRef] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    _read_id: str | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; the id is the digest of these."""
        return {
            "kind": self.kind,
            "files": {role: asdict(ref) for role, ref in self.files.items()},
            "inputs": dict(self.inputs),
            "facts": dict(self.facts),
        }

    @classmethod
    def from_bytes(cls, data: bytes, where: str, name: str = "", homes: Homes = ANYWHERE) -> Manifest:
        """Read a manifest back.

        Parameters
        ----------
        data
            Bytes of the manifest, as it is stored.
        where
            Path or URL of the manifest, for messages.
        name
            Name of the manifest's folder below the data root, if it has one: it must belong there.
        homes
            Rules of where manifests belong.

        Raises
        ------
        ArtefactError
            If the bytes are not a manifest, were changed since they were written, or belong elsewhere.
        """
        fix = homes.how_to_mend(name) if name else "remove it and run the stage again"
        try:
            manifest = cls.from_tree(json.loads(data))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            what = f"not a readable manifest ({type(error).__name__}: {error}): damaged, or of another version"
            raise ArtefactError(what, where=where, fix=fix) from None
        if not _as_written(data):
            what = "not as it was written: its words are not those of its id, so it was changed by hand or damaged"
            raise ArtefactError(what, where=where, fix=fix)
        folder, _, file = name.rpartition("/")
        if file == FILE_NAME:
            homes.check(folder, manifest, where)
        elif file and file != f"{manifest.id}.json":
            raise ArtefactError(f"the manifest of {manifest.id[:16]}..., which is not its name", where=where, fix=fix)
        return manifest

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Manifest:
        """Read it back from JSON values, as in `to_tree`."""
        files = {role: FileRef(**ref) for role, ref in tree["files"].items()}
        return cls(tree["kind"], files, tree["inputs"], tree["facts"], tree["id"])

    def to_tree(self) -> dict[str, Any]:
        """All it says and its id, by which others refer to it and changed bytes are found out, as JSON values."""
        return {**self.to_dict(), "id": self.id}

    @cached_property
    def id(self) -> str:
        """Digest of all it says: the identity of the artefact, 64 hex digits."""
        return self._read_id or self.computed_id

    @property
    def computed_id(self) -> str:
        """The id as it follows from what the manifest says; a stored manifest that was changed has another."""
        return digest(self.to_dict())

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return canonical_json(self.to_tree())


def _as_written(data: bytes) -> bool:
    """Whether the bytes of a manifest are those its id was made of: hashing them is cheaper than spelling them anew."""
    line = _ID_LINE.search(data)
    return (
        line is not None and hashlib.sha256(data[: line.start()] + data[line.end() :]).hexdigest().encode() == line[1]
    )


class Sealed:
    """A data file under way to being named by a manifest; ``ref`` is there when the block ends."""

    sink: HashingSink
    ref: FileRef
    rows: int = 0


class Store:
    """Artefacts below a data root.

    Parameters
    ----------
    root
        A local folder, or an fsspec URL.
    memory
        A local folder in which to remember, for later processes, the manifests of an object store.
    homes
        Rules of where manifests belong, and how what is damaged is mended.
    """

    def __init__(self, root: str, memory: Path | None = None, homes: Homes = ANYWHERE) -> None:
        self.files = Files(root)
        self.homes = homes
        self._memory = memory
        self._known: dict[str, tuple[str, Manifest]] = {}
        self._caches: dict[str, Cache] = {}
        self._former: frozenset[str] | None = None
        self._is_marked = False  # with the version of the data root

    @property
    def _former_folders(self) -> frozenset[str]:
        """Folders of labels that still lie where older data roots have them; see `beambell.store.former`."""
        if self._former is None:
            self._former = self._without_moved(self.files.stamps(Layout.PUBLIC, FILE_NAME))
        return self._former

    def _without_moved(self, old: Iterable[str]) -> frozenset[str]:
        folders = frozenset(map(Layout.today, old))
        return folders - self.files.stamps(Layout.LABELS, FILE_NAME).keys() if folders else folders

    def public_entries(self) -> dict[str, Entry]:
        """All files in the folder of labels for everybody; one listing tells of older data roots, too."""
        found = self.files.walk(Layout.PUBLIC)
        if self._former is None:
            tail = f"/{FILE_NAME}"
            self._former = self._without_moved(name.removesuffix(tail) for name in found if name.endswith(tail))
        return found

    def lies_formerly(self, folder: str) -> bool:
        """Whether the labels of a folder lie where older data roots have them."""
        return folder.startswith(Layout.LABELS) and folder in self._former_folders

    def forget_former(self) -> None:
        """Look anew where labels lie, once they were moved."""
        self._former = None

    def _lies(self, folder: str) -> str:
        """Folder where an artefact lies now."""
        return Layout.formerly(folder) if self.lies_formerly(folder) else folder

    def place(self, kind: str, partition: Partition, ref: FileRef) -> str:
        """Name of a data file of a partition's artefact, below the data root, where it lies now."""
        return f"{self._lies(Layout.of(kind, partition))}/{ref.name}"

    def read(self, folder: str) -> Manifest | None:
        """Read the manifest of a folder, or ``None`` if nothing was published there."""
        name = f"{self._lies(folder)}/{FILE_NAME}"
        stamp = self.files.stamp(name)
        if stamp and name in self._known and self._known[name][0] == stamp:
            return self._known[name][1]
        data = self.files.read(name)
        if data is None:
            return None
        manifest = Manifest.from_bytes(data, self.files.path(name), name, self.homes)
        if stamp:
            self._known[name] = stamp, manifest
        return manifest

    def require(self, folder: str, fix: str) -> Manifest:
        """Read the manifest of a folder that has to be there.

        Raises
        ------
        ArtefactError
            If nothing was published there; ``fix`` says which command publishes it.
        """
        manifest = self.read(folder)
        if manifest is None:
            raise ArtefactError("nothing is published here yet", where=self.files.path(folder), fix=fix)
        return manifest

    def require_each(self, folders: Iterable[str], fix: str) -> Iterator[Manifest]:
        """Read the manifests of folders that have to be there, in order; see `require`."""
        return self.files.each(lambda folder: self.require(folder, fix), folders)

    def partitions(self, kind: str) -> dict[Partition, Manifest]:
        """All published artefacts of a kind, by partition, in order."""
        found = {Partition.from_folder(folder): manifest for folder, manifest in self.under(kind).items()}
        return dict(sorted(found.items()))

    def under(self, folder: str) -> dict[str, Manifest]:
        """All published artefacts below a folder, by their folders, in order.

        One listing, then only what changed since the last is read, all at once.
        """
        stamps = self.stamps(folder)
        if self._memory is None or not self.files.lasting_stamps:
            return self.read_many(stamps)
        cache = self._recall(self._memory, folder, stamps)
        found = self.read_many(stamps)
        for name, manifest in found.items():
            if cache.get(name, stamps[name]) is None:
                cache.put(name, stamps[name], manifest.to_tree())
        cache.save(keep=found)
        return found

    def _recall(self, memory: Path, folder: str, stamps: Mapping[str, str]) -> Cache:
        """Know again what earlier processes read, where its stamp is the same."""
        if folder not in self._caches:
            about = f"{REMEMBERED} {self.files.root}"
            cache = self._caches[folder] = Cache(memory, f"manifests/{folder}", about)
            for name, stamp in stamps.items():
                if tree := cache.get(name, stamp):
                    self._known.setdefault(f"{self._lies(name)}/{FILE_NAME}", (stamp, Manifest.from_tree(tree)))
        return self._caches[folder]

    def stamps(self, folder: str) -> dict[str, str]:
        """Folders of all published artefacts below a folder, in order; a stamp changes when one is published again."""
        found = self.files.stamps(folder, FILE_NAME)
        if folder.startswith(Layout.LABELS) and self._former_folders:
            old = self.files.stamps(Layout.formerly(folder), FILE_NAME)
            found |= {
                Layout.today(place): stamp for place, stamp in old.items() if self.lies_formerly(Layout.today(place))
            }
            found = dict(sorted(found.items()))
        return found

    def read_many(self, folders: Mapping[str, str]) -> dict[str, Manifest]:
        """Read the manifests of folders, given with their `stamps`; those that are gone are left out."""
        names = {folder: f"{self._lies(folder)}/{FILE_NAME}" for folder in folders}
        stamps = {names[folder]: stamp for folder, stamp in folders.items()}
        changed = [name for name, stamp in stamps.items() if self._known.get(name, ("",))[0] != stamp]
        read = self.files.read_many(changed)
        for name, data in read.items():
            self._known[name] = stamps[name], Manifest.from_bytes(data, self.files.path(name), name, self.homes)
        gone = set(changed) - read.keys()
        return {folder: self._known[name][1] for folder, name in names.items() if name not in gone}

    def publish(self, folder: str, manifest: Manifest, *, keep_history: bool = False) -> Manifest:
        """Make an artefact visible, in one step.

        Parameters
        ----------
        folder, manifest
            Folder of the artefact, and its manifest; the files are there already.
        keep_history
            Whether every manifest is kept under ``history/<id>.json`` as well, so that whatever was made from this
            artefact can be traced after it was replaced.
        """
        if not self._is_marked:
            mark_version(self.files)
            self._is_marked = True
        data = manifest.to_bytes()
        if keep_history:
            self.files.write(f"{folder}/{HISTORY}/{manifest.id}.json", data)
        self.files.write(f"{folder}/{FILE_NAME}", data)
        return manifest

    def withdraw(self, folder: str) -> None:
        """Take an artefact back: from now on nothing is published there.

        The manifest goes, as it is the commit. The files it named stay for whoever is reading them, and are garbage.
        """
        self.files.remove(f"{folder}/{FILE_NAME}")

    def revision(self, folder: str, manifest_id: str) -> Manifest | None:
        """Read a manifest that was published with history, by its id."""
        name = f"{folder}/{HISTORY}/{manifest_id}.json"
        data = self.files.read(name)
        return None if data is None else Manifest.from_bytes(data, self.files.path(name), name, self.homes)

    @contextmanager
    def seal(self, folder: str, role: str, suffix: str = ".parquet") -> Iterator[Sealed]:
        """Stream a data file whose name holds its digest.

        Yields
        ------
        Sealed
            With ``.sink`` to write to and ``.rows`` to set; ``.ref`` is known when the block ends.
        """
        sealed = Sealed()
        with self.files.sealed(folder, role, suffix) as sealing:
            sealed.sink = sealing.sink
            yield sealed
        sealed.ref = FileRef(sealing.name, sealed.sink.sha256, sealed.sink.size, sealed.rows)

    def put(self, folder: str, role: str, suffix: str, data: bytes, *, rows: int = 0) -> FileRef:
        """Write a small data file whose name holds its digest."""
        with self.seal(folder, role, suffix) as sealed:
            sealed.rows = rows
            sealed.sink.write(data)
        return sealed.ref

    def put_as(self, folder: str, name: str, data: bytes) -> FileRef:
        """Write a small data file under a fixed name, for readers that need one (DVC metrics and plots)."""
        self.files.write(f"{folder}/{name}", data)
        return FileRef(name, hashlib.sha256(data).hexdigest(), len(data))

    def get(self, folder: str, ref: FileRef) -> bytes:
        """Read a small data file whole, and check it against its manifest.

        Raises
        ------
        ArtefactError
            If it is missing, or its bytes are not those its manifest names.
        """
        name = f"{self._lies(folder)}/{ref.name}"
        data = self.files.read(name)
        if data is None:
            raise ArtefactError(
                "a file is missing that its manifest names",
                where=self.files.path(name),
                fix=self.homes.how_to_mend(name),
            )
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise self._changed(name, ref, len(data))
        return data

    @contextmanager
    def open(self, folder: str, ref: FileRef) -> Iterator[BinaryIO]:
        """Open a data file for reading in parts; that it is what its manifest says is checked first.

        Of a large file in an object store, only its size is: it would have to be transferred whole for a part of it.
        Its pages have check sums, which are compared as they are read.

        Raises
        ------
        ArtefactError
            If it is missing, or its bytes are not those its manifest names.
        """
        name = f"{self._lies(folder)}/{ref.name}"
        with self.files.open(name, ref.bytes) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            hashed = not self.files.comes_in_parts(ref.bytes)
            if size != ref.bytes or (hashed and digest_of(file, self.files.path(name)) != ref.sha256):
                raise self._changed(name, ref, size)
            yield file

    def copy(self, source: str, target: str, refs: Iterable[FileRef]) -> None:
        """Copy data files from one folder to another, those already there excepted.

        Raises
        ------
        ArtefactError
            If a file is not what its manifest says: what is wrong is not passed on.
        """
        for ref in refs:
            if self.has(target, ref):
                continue
            with self.open(source, ref) as file, self.files.appearing(f"{target}/{ref.name}") as copy:
                shutil.copyfileobj(file, copy, CHUNK)
                if copy.sha256 != ref.sha256:
                    raise self._changed(f"{source}/{ref.name}", ref, copy.size)

    def has(self, folder: str, ref: FileRef) -> bool:
        """Whether a data file is there, whole."""
        try:
            with self.open(folder, ref):
                return True
        except ArtefactError:
            return False

    def damage(self, places: Iterable[tuple[str, FileRef]]) -> list[ArtefactError]:
        """Look for data files, given with their folders, that are missing or not what their manifests say.

        Where reading takes requests, nothing is looked at: whoever reads the files checks them anyway.
        """
        found = []
        for folder, ref in places if self.files.is_local else ():
            try:
                with self.open(folder, ref):
                    pass
            except ArtefactError as error:
                found.append(error)
        return found

    def _changed(self, name: str, ref: FileRef, size: int) -> ArtefactError:
        what = f"{size} bytes that are not the {ref.bytes} bytes its manifest names: truncated, changed or replaced"
        return ArtefactError(what, where=self.files.path(name), fix=self.homes.how_to_mend(name))
