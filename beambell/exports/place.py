"""The place of an export: made beside it as a draft, which takes its name in one step when it is whole."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from beambell.errors import LockedError, UsageError
from beambell.exports.record import MANIFEST, ExportedFile, ExportManifest
from beambell.store.files import Files
from beambell.store.local import LocalFolder

UNFINISHED: Final = ".unfinished"
"""Folder in a draft of the files that are being written."""
_AT_FDCWD, _EXCHANGE = -100, 2


class Place:
    """Where an export is, or is to be.

    Parameters
    ----------
    out
        Folder or file as it was asked for.
    is_file
        Whether the export is one file, with its manifest beside it.

    Attributes
    ----------
    out, draft
        Absolute path of the export, and of the folder that it is made in; both in one folder, so on one disk.
    """

    def __init__(self, out: Path, *, is_file: bool) -> None:
        self.out = out.expanduser().resolve()
        self.is_file = is_file
        self.draft = self.out.parent / f".{self.out.name}.beambell-draft"
        self.folder = LocalFolder(str(self.draft), UNFINISHED, _announce)
        self._set_aside = self.out.parent / f".{self.out.name}.beambell-replaced"

    @property
    def manifest(self) -> Path:
        """Path of the manifest of the export that is there."""
        return self.out.with_name(f"{self.out.name}.manifest.json") if self.is_file else self.out / MANIFEST

    @contextmanager
    def drafting(self) -> Iterator[None]:
        """Be the only one who works on the draft; what an earlier one left, killed, is gone on with.

        Raises
        ------
        LockedError
            If another export to the same place is under way.
        """
        self.draft.mkdir(parents=True, exist_ok=True)
        held = os.open(self.draft, os.O_RDONLY)
        try:
            if not self._is_held(held):
                raise LockedError(
                    "another export to this place is under way",
                    where=str(self.out),
                    fix="wait for it to end, or export elsewhere; its lock ends with its process",
                )
            self.finish_exchange()
            self.folder.remove_tree(UNFINISHED)
            yield
        finally:
            os.close(held)
            with suppress(OSError):
                self.draft.rmdir()  # there is one only if it is empty: nothing was begun

    def _is_held(self, draft: int) -> bool:
        """Lock the draft, given by its descriptor; says whether it is ours, and has not just been published."""
        try:
            fcntl.flock(draft, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(draft), self.draft.stat())
        except OSError:
            return False

    def finish_exchange(self) -> None:
        """Go on where a process died between two renamings."""
        if self._set_aside.exists():
            if self.out.exists():
                _remove(self._set_aside)
            else:
                self._set_aside.rename(self.out)
        if not self.is_file or not (self.draft / MANIFEST).exists():
            return
        made = ExportManifest.from_bytes((self.draft / MANIFEST).read_bytes())
        whole = made is not None and self.out.is_file() and is_recorded(self.out, made.files.get(self.out.name))
        if whole and not (self.draft / self.out.name).exists():
            (self.draft / MANIFEST).replace(self.manifest)

    def publish(self) -> None:
        """Let the draft take the export's place; what was there before is removed."""
        self.folder.remove_tree(UNFINISHED)
        if self.is_file:
            self._rename(self.draft / self.out.name, self.out)
            self._rename(self.draft / MANIFEST, self.manifest)
        elif not self.out.exists():
            self._rename(self.draft, self.out)
        else:
            _announce("rename", self.out.name)
            if _exchange(self.draft, self.out):
                self.draft.rename(self._set_aside)  # nobody may take it for a draft
            else:
                self.out.rename(self._set_aside)
                self.draft.rename(self.out)
            _remove(self._set_aside)
        _sync(self.out.parent)
        self.discard()

    def discard(self) -> None:
        """Remove the draft."""
        _remove(self.draft)

    def _rename(self, source: Path, target: Path) -> None:
        _announce("rename", target.name)
        source.replace(target)

    # -- what is there already -------------------------------------------------------------------------------

    def found(self, project: str, streams: Collection[str] = ()) -> ExportManifest | None:
        """Read the manifest of an export that is there, whole and unchanged; ``None`` if nothing is there.

        Parameters
        ----------
        project, streams
            Name of the project, and of its streams: two projects may have one name.

        Raises
        ------
        UsageError
            If something else is there: it is not overwritten unasked.
        """
        if not self.out.exists() or (self.out.is_dir() and not self.is_file and not any(self.out.iterdir())):
            return None
        wrong = self._wrong(project, streams)
        if isinstance(wrong, ExportManifest):
            return wrong
        raise UsageError(
            f"{wrong}, and would be lost",
            where=str(self.out),
            fix="export to another place; or, if nobody needs what is there, add --replace",
        )

    def _wrong(self, project: str, streams: Collection[str]) -> ExportManifest | str:
        """Give the manifest of the export that is there, or say why what is there is none."""
        if self.out.is_dir() == self.is_file:
            return "a folder is there" if self.is_file else "a file is there"
        if not self.manifest.is_file():
            return "what is there is no export of ours"
        manifest = ExportManifest.from_bytes(self.manifest.read_bytes())
        if manifest is None:
            return f"{self.manifest.name} was changed"
        if manifest.facts.get("project") != project:
            return f"an export of the project {manifest.facts.get('project')!r} is there"
        if strange := sorted({part.partition.split("/")[0] for part in manifest.parts} - set(streams)):
            return f"an export of another project of this name is there, of the stream {strange[0]!r}"
        return self._changed(manifest) or manifest

    def _changed(self, manifest: ExportManifest) -> str | None:
        """Say which file is not as it was exported, or was put there; ``None`` if there is none."""
        if self.is_file:
            there = {self.out.name: self.out}
        else:
            found = (path for path in self.out.rglob("*") if path.is_symlink() or not path.is_dir())
            there = {path.relative_to(self.out).as_posix(): path for path in found}
            del there[MANIFEST]
        if new := sorted(there.keys() - manifest.files.keys()):
            return f"{new[0]!r} was put there"
        files = manifest.files.items()
        changed = [name for name, file in files if name not in there or not is_recorded(there[name], file)]
        return f"{changed[0]!r} was changed or removed since it was exported" if changed else None

    def check(self, *keep: Path) -> None:
        """Refuse a place that nothing may be put to, whatever was asked for.

        Raises
        ------
        UsageError
            For a place that holds, or is, one of the folders to keep, and for a mount point.
        """
        for folder in (*keep, Path.home().resolve(), Path.cwd()):
            if folder == self.out or self.out in folder.parents:
                raise UsageError(
                    f"an export takes the whole of its place, and {folder} is in it",
                    where=str(self.out),
                    fix="name a new folder, such as labels-for-us",
                )
        if self.out.is_mount():
            raise UsageError(
                "this is where a disk is mounted, which cannot be replaced in one step",
                where=str(self.out),
                fix=f"name a new folder in it: --out {self.out / 'labels'}",
            )


def file_digest(path: str | Path) -> str:
    """Digest of a file's bytes, 64 hex digits of SHA-256."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_recorded(path: Path, file: ExportedFile | None) -> bool:
    """Whether a file is there with the bytes that it is on record with."""
    if file is None or path.is_symlink() or not path.is_file() or path.stat().st_size != file.bytes:
        return False
    return file_digest(path) == file.sha256


def take_over(source: Path, target: Path, file: ExportedFile) -> bool:
    """Give a file that is on record a second name, or copy it where that cannot be; says whether it was as recorded."""
    if not is_recorded(source, file):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    _announce("write", target.name)
    if target.exists():
        target.unlink()
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
    return True


def _announce(verb: str, name: str) -> None:
    if Files.observer:
        Files.observer(verb, name)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step, where the operating system can; says whether it did."""
    call: Any = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return call is not None and call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        _announce("remove", path.name)
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
