"""Caches are kept where one may write, and done without where one may not: a project can be looked at read-only."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from beambell.errors import StorageError

_MAY_NOT: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_told: set[Path] = set()


@contextmanager
def if_writable(folder: Path) -> Iterator[None]:
    """Write a cache below a folder, or go on without it if nobody may write there; that is said once.

    Raises
    ------
    OSError, StorageError
        For any other reason why it cannot be written, such as a full disk.
    """
    try:
        yield
    except (OSError, StorageError) as error:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        if not isinstance(cause, OSError) or cause.errno not in _MAY_NOT:
            raise
        if folder not in _told:
            _told.add(folder)
            sys.stderr.write(f"note: {folder} is read-only, so what is found out now is found out again next time\n")
