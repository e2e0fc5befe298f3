"""Data files whose bytes this process has found to be those that their manifests name.

Whoever reads a file to make something of it must not pass damage on. A file is hashed whole when it is first opened,
and not again while it stays what it was, as its inode says. What a remote place sent whole is in memory, and is hashed
each time.
"""

from __future__ import annotations

import hashlib
import os
import threading
from typing import BinaryIO, Final

_Stamp = tuple[int, int, int, int]

_LOCKS: Final = tuple(threading.Lock() for _ in range(64))
_known: dict[str, tuple[str, _Stamp]] = {}  # path -> digest, and the stamp it was found under


def digest_of(file: BinaryIO, path: str) -> str:
    """Hash a file that was just opened, unless this process did so before; it is at its beginning again.

    Parameters
    ----------
    file, path
        File that is open for reading, and its path.

    Returns
    -------
    str
        64 hex digits of SHA-256.
    """
    with _LOCKS[hash(path) % len(_LOCKS)]:  # several threads want ranges of one file: one of them hashes
        stamp, known = _stamp(file), _known.get(path)
        if stamp and known and known[1] == stamp:
            return known[0]
        found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        file.seek(0)
        if stamp:
            _known[path] = found, stamp
        return found


def _stamp(file: BinaryIO) -> _Stamp | None:
    """What changes whenever a file on a disk does: the time that its inode was changed, which nobody can set."""
    try:
        stat = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return stat.st_dev, stat.st_ino, stat.st_ctime_ns, stat.st_size
