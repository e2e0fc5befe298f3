"""The one exception tree. A message says what was wrong, where, and what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, ClassVar

from beambell.credentials import masked


class ExitCode(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    GATE = 3


class BeamBellError(Exception):
    """Base of every error that a user can act on. Credentials of a URL in what it says are masked.

    Parameters
    ----------
    message
        Problem in one sentence.
    where
        The place: a file, ``file:line``, a row id, an LF, a key of ``params.yaml``.
    fix
        Advice on what the reader can do now.
    details
        Facts that only machines read (``--json``); of a stage that did a part also its ``done``, ``current`` and
        ``figures``.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    partial: ClassVar[bool] = False
    """Whether all else was done, so that what comes next can go on with it."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(masked(message))
        self.message = masked(message)
        self.where = masked(where) if where else where
        self.fix = masked(fix) if fix else fix
        self.details = details

    def __str__(self) -> str:
        """Join place, message and fix: the whole story in one text."""
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  what to do: {self.fix}" if self.fix else text

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        tree = {"kind": type(self).__name__, "error": self.message, "where": self.where, "fix": self.fix}
        return tree if self.details is None else {**tree, "details": dict(self.details)}

    @staticmethod
    def from_dict(tree: Mapping[str, Any]) -> BeamBellError:
        """Read back what `to_dict` wrote."""
        kinds: dict[str, type[BeamBellError]] = {kind.__name__: kind for kind in BeamBellError.__subclasses__()}
        kind = kinds.get(tree["kind"] or "", BeamBellError)
        return kind(tree["error"] or "", where=tree["where"], fix=tree["fix"], details=tree.get("details"))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a trip between processes with every field."""
        return (_rebuild, (type(self), self.to_dict()))


def _rebuild(kind: type[BeamBellError], tree: Mapping[str, Any]) -> BeamBellError:
    return kind(tree["error"], where=tree["where"], fix=tree["fix"], details=tree.get("details"))


class UsageError(BeamBellError):
    """The command was asked for something that does not exist: an unknown stream, a malformed date."""

    exit_code = ExitCode.USAGE


class ConfigError(BeamBellError):
    """``params.yaml`` is missing, malformed, or says something impossible."""

    exit_code = ExitCode.USAGE


class CatalogueError(BeamBellError):
    """The labeling functions cannot be loaded as a set: an import fails, two share a name."""


class LabelingFunctionError(BeamBellError):
    """One labeling function is malformed, or returned something that is not a vote."""


class InputError(BeamBellError):
    """A raw file cannot be read at all."""


class ArtefactError(BeamBellError):
    """A stored artefact is missing, truncated, or not what its manifest says."""


class StorageError(BeamBellError):
    """The place of the artefacts takes no more: full, over its quota, read-only, or not ours to write to."""


class JobServiceError(BeamBellError):
    """The runner of a Beam job that works elsewhere is away, or the job failed there."""


class LiveError(BeamBellError):
    """Live labeling cannot start: nothing is configured, no runner is there, or another job is at work."""


class LiveSourceError(BeamBellError):
    """The log that live labeling reads is away, refuses us, or is not the one it was; it may be asked again."""


class LiveSinkError(BeamBellError):
    """Labels did not reach the log that they are written to; they may be sent again."""


class StateError(BeamBellError):
    """Pattern counts of different LFs or classes were mixed, or a count is impossible."""


class LabelModelError(BeamBellError):
    """The label model cannot be fitted or applied to what it was given."""


class TrainingError(BeamBellError):
    """The end model cannot be trained or evaluated on what there is."""


class RegistryError(BeamBellError):
    """A model version cannot be registered or found."""


class LockedError(BeamBellError):
    """Another process is writing to this project."""


class PartError(BeamBellError):
    """A part of a stage's work failed; all the rest of it is done."""

    partial = True


class GateError(BeamBellError):
    """The quality gate said no; the last good labels stay published."""

    exit_code = ExitCode.GATE
    partial = True


_NO_ROOM = (
    "nothing that was published is lost; free some room (`beambell gc` removes what nothing names), then run again"
)
_STORAGE = {
    errno.ENOSPC: ("the disk is full", _NO_ROOM),
    errno.EDQUOT: ("the disk quota is used up", _NO_ROOM),
    errno.EFBIG: ("a file may not grow that large here", "raise the limit (`ulimit -f`), then run again"),
    errno.EROFS: ("the file system is read-only", "mount it for writing, or change `data` in params.yaml"),
    errno.EACCES: ("this user may not write here", "change the owner or the mode of the folder"),
    errno.EISDIR: ("a folder lies where a file belongs", "remove that folder, or move it away, then run again"),
    errno.ENOTDIR: ("a file lies where a folder belongs", "remove that file, or move it away, then run again"),
    errno.EEXIST: ("a file lies where a folder belongs", "remove that file, or move it away, then run again"),
}


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Say what a failed write means, where the operating system tells why.

    Raises
    ------
    StorageError
        For a full disk, a quota, a limit, a missing right, or a file and a folder in each other's place.
    """
    try:
        yield
    except OSError as error:
        known = _STORAGE.get(error.errno or 0)
        if known is not None:
            # Of a renaming, the second name is the one that matters.
            raise StorageError(known[0], where=error.filename2 or error.filename or where, fix=known[1]) from error
        if (remote := as_remote(error)) is not None:
            raise remote from None
        raise
    except Exception as error:
        if (remote := as_remote(error)) is not None:
            raise remote from None
        raise


_CLIENTS = frozenset({"adlfs", "aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google", "paramiko", "urllib3"})
"""Packages whose exceptions are all of one kind to us: something elsewhere did not do as it was asked."""


def as_remote(error: Exception) -> StorageError | None:
    """Say of an exception that it comes from a place elsewhere, if it does."""
    package = type(error).__module__.partition(".")[0]
    lost = isinstance(error, ConnectionError | TimeoutError) and not isinstance(error, BrokenPipeError)
    refused = isinstance(error, PermissionError) and error.errno is None  # a store's, not the operating system's
    if package not in _CLIENTS and not lost and not refused:
        return None
    message = " ".join(str(error).split()) or type(error).__name__
    return StorageError(
        f"a place elsewhere failed, or cannot be reached: {message}",
        fix="nothing that was published is lost; see that it is there, and what may be done there, then run again",
    )


@contextmanager
def reading_errors(where: str) -> Iterator[None]:
    """Say what a failed read means; that there is no such file is left to the caller, who may know better.

    Raises
    ------
    StorageError
        For a missing right.
    ArtefactError
        For a folder in a file's place, and for a disk that cannot read what it wrote.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        place = str(error.filename or where)
        if isinstance(error, PermissionError):
            fix = "change its owner or its mode, or those of its folder"
            raise StorageError("this user may not read this file", where=place, fix=fix) from error
        if isinstance(error, IsADirectoryError):
            fix = "look at what is in it, then remove it and run again"
            raise ArtefactError("a folder lies where a file belongs", where=place, fix=fix) from None
        fix = "look after the disk or the network; if the file is lost, remove it with its manifest and run again"
        raise ArtefactError(f"cannot be read ({error.strerror or error})", where=place, fix=fix) from error
