"""A folder as a live source: JSON-lines files that grow, or arrive."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from beambell.errors import LiveSourceError
from beambell.live.source import Chunk

_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 64 << 20
_LOOK_S: Final = 0.2


class FolderSource:
    """The files of a glob, each a part; a file is begun when those whose names sort before it are read to their ends.

    An offset is a number of bytes of the file. A line counts once it has its end, or once there is a later file. Files
    may grow at the end, and new ones may come at any time; what was read must stay as it is.

    Parameters
    ----------
    root
        Folder of the project, which a relative glob relates to.
    pattern
        Glob of files of JSON lines.
    landed
        Tells up to which byte a part is landed, by whichever process: on a cluster, others may read the files before.
    """

    def __init__(self, root: Path, pattern: str, landed: Callable[[str], int] = lambda _: 0) -> None:
        self._root, self._pattern, self._landed = root, pattern, landed
        self._paths: dict[str, Path] = {}
        self._read_to: dict[str, int] = {}
        self._looked = -_LOOK_S

    def parts(self) -> Sequence[str]:
        """Return the names of the parts, one for each file, in the order of the files' names."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            self._paths = {_part(name): path for name, path in self._found()}
        return list(self._paths)

    def bounds(self, part: str) -> tuple[int, int]:
        """Return 0, and the size of the file in bytes.

        Raises
        ------
        LiveSourceError
            If the file is gone.
        """
        return 0, self._size(part)

    def read(self, part: str, offset: int, most: int, wait_s: float) -> Chunk:
        """Read at most so many lines of a file from a byte on, and wait at most so many seconds for the first.

        Raises
        ------
        LiveSourceError
            If the file is gone, or shorter than what was read of it.
        """
        deadline = time.monotonic() + wait_s
        while True:
            chunk = self._read(part, offset, most)
            left = deadline - time.monotonic()
            if len(chunk) or chunk.behind or left <= 0:
                return chunk
            time.sleep(min(left, 0.02))

    def commit(self, part: str, offset: int) -> None:
        """Do nothing: files keep no offsets."""

    def close(self) -> None:
        """Forget the files."""
        self._paths.clear()
        self._read_to.clear()

    def _read(self, part: str, offset: int, most: int) -> Chunk:
        size = self._size(part)
        if offset > size:
            raise LiveSourceError(
                f"the file ends at byte {size:,}, before the {offset:,} that were read of it",
                where=str(self._paths[part]),
                fix="restore it: what was read of a log must stay as it is; new records belong at its end",
            )
        self._read_to[part] = offset
        names = self.parts()
        at = names.index(part) if part in names else 0
        if not all(map(self._is_read, names[:at])):
            return Chunk.empty(part, offset, behind=int(offset < size))
        chunk = self._lines(part, offset, size, most, is_last=at + 1 == len(names))
        self._read_to[part] = chunk.next
        return chunk

    def _is_read(self, part: str) -> bool:
        """Whether all of a file is read, here, or elsewhere and landed."""
        size = self._size(part)
        if self._read_to.get(part, 0) < size:
            self._read_to[part] = max(self._read_to.get(part, 0), self._landed(part))
        return self._read_to[part] >= size

    def _lines(self, part: str, offset: int, size: int, most: int, *, is_last: bool) -> Chunk:
        with self._paths[part].open("rb") as opened:
            opened.seek(offset)
            data = opened.read(min(_BLOCK, size - offset))
            while b"\n" not in data and len(data) < min(_LONGEST_LINE, size - offset):
                data += opened.read(min(_BLOCK, size - offset - len(data)))
        whole = data.rfind(b"\n") + 1
        if len(data) >= _LONGEST_LINE and not whole:
            whole = len(data)
        if not is_last and offset + len(data) == size:
            whole = len(data)  # nothing will be added to the last line of a file that is followed by another
        lines = data[:whole].split(b"\n")
        lines = ([line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else []))[:most]
        lengths = np.array([len(line) for line in lines], np.int64)
        ends = offset + np.cumsum(lengths)
        after = int(ends[-1]) if lines else offset
        arrived = np.full(len(lines), time.time_ns() // 1_000_000, np.int64)
        behind = size - after if whole == len(data) or after < offset + whole else 0
        return Chunk(part, offset, after, tuple(map(bytes.strip, lines)), ends - lengths, arrived, behind)

    def _size(self, part: str) -> int:
        if part not in self._paths:
            self.parts()
        try:
            return self._paths[part].stat().st_size
        except (KeyError, FileNotFoundError):
            raise LiveSourceError(
                "a file that was being read is gone", where=part, fix="restore it, or start the live job again"
            ) from None

    def _found(self) -> list[tuple[str, Path]]:
        pattern = Path(self._pattern)
        base = Path(pattern.anchor) if pattern.is_absolute() else self._root
        found = [path for path in base.glob(str(pattern.relative_to(pattern.anchor))) if path.is_file()]
        return sorted((path.relative_to(base).as_posix(), path) for path in found)


def _part(name: str) -> str:
    """Name the part of a file: what of its name can be a part's, and a digest, for two names may differ in the rest."""
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9.]+', '_', name)[-80:].strip('._')}-{digest}"
