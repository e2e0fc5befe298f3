"""One writer at a time. The lock is the operating system's, so it ends with its holder, however that ends."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from beambell.errors import LockedError

LOCK = "lock"
HOLDER = "holder.json"


@dataclass(frozen=True)
class Holder:
    """Who writes, or wrote last; a note for people, which decides nothing.

    Attributes
    ----------
    pid, host
        The process and its machine.
    since
        Seconds since 1970, by that machine's clock.
    """

    pid: int
    host: str
    since: float

    @classmethod
    def me(cls) -> Holder:
        """Take a note of this process."""
        return cls(os.getpid(), platform.node(), time.time())

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """Read a note back; one that was torn by a crash says nothing."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def lives(self) -> bool | None:
        """Whether the process is there; ``None`` if it is on another machine."""
        if self.host != platform.node():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"process {self.pid} on {self.host}, since {since}"


@contextmanager
def write_lock(folder: Path, *, timeout: float) -> Iterator[None]:
    """Hold the right to write to a project.

    Parameters
    ----------
    folder
        The project's volatile folder.
    timeout
        Seconds to wait for another writer.

    Raises
    ------
    LockedError
        If another process still holds it then; the message names the process, and says whether it lives.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise _locked(folder, Holder.read(folder / HOLDER), timeout) from None
    try:
        (folder / HOLDER).write_text(json.dumps(asdict(Holder.me())))
        yield
    finally:
        lock.release()


def _locked(folder: Path, holder: Holder | None, timeout: float) -> LockedError:
    fix = "wait for it to finish, or stop it; the lock ends with its process, however that ends"
    if holder is None:
        who = "another process is writing to this project"
    elif holder.lives is None:
        who = f"another machine is writing to this project: {holder}"
        fix = "look there whether it still runs; the file system lets go of its lock when it does not"
    elif holder.lives:
        who = f"{holder}, is writing to this project"
    else:
        who = f"the lock of this project is held, though its last known holder is gone ({holder})"
        fix = f"a child of that process still holds it: find it with `fuser {folder / LOCK}`, and stop it"
    return LockedError(f"{who}; {timeout:.0f} s of waiting were not enough", where=str(folder / LOCK), fix=fix)
