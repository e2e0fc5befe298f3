"""One writer at a time. The lock is the operating system's, so it ends with its holder, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beambell.errors import LockedError


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
        If another process still holds it then; the message names the process.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / "holder"
    try:
        with FileLock(folder / "lock", timeout=timeout):
            holder.write_text(str(os.getpid()))
            yield
    except Timeout:
        pid = holder.read_text() if holder.exists() else "unknown"
        raise LockedError(
            f"process {pid} is writing to this project, and {timeout:.0f} s of waiting were not enough",
            where=str(folder / "lock"),
            fix="wait for it to finish, or stop it; a lock never outlives its process",
        ) from None
