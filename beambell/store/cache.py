"""What need not be found out again: kept in the volatile folder, safe to delete, of no use where nothing has stamps."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from beambell.errors import BeamBellError
from beambell.store.caching import if_writable
from beambell.store.files import Files

_NO_SUM = b"--------"  # in whose place the sum of all the rest stands


class Cache:
    """Values by key, each known for as long as the stamp it was learnt under holds.

    Parameters
    ----------
    folder
        The project's volatile folder.
    name
        Name of the file there, without its suffix.
    about
        Subject of the values; all are forgotten when it changes.
    """

    def __init__(self, folder: Path, name: str, about: str = "") -> None:
        self._folder, self._files = folder, Files(folder)
        self._name, self._about = f"{name}.json", about
        self._known: dict[str, list[Any]] = self._load()
        self._changed = False

    def get(self, key: str, stamp: str | None) -> Any:
        """Return what is known under this stamp, or ``None``."""
        entry = self._known.get(key)
        return entry[1] if stamp and entry and entry[0] == stamp else None

    def put(self, key: str, stamp: str | None, value: Any) -> None:
        """Learn a value, as JSON has it; without a stamp it would never hold."""
        if stamp:
            self._known[key] = [stamp, value]
            self._changed = True

    def save(self, keep: Collection[str] | None = None) -> None:
        """Keep what was learnt; of other keys than those to ``keep``, if they are given, nothing."""
        if keep is not None and (gone := self._known.keys() - set(keep)):
            self._known = {key: entry for key, entry in self._known.items() if key not in gone}
            self._changed = True
        if self._changed:
            data = json.dumps({"sum": _NO_SUM.decode(), "about": self._about, "known": self._known}).encode()
            with if_writable(self._folder):
                self._files.write(self._name, data.replace(_NO_SUM, _sum(data), 1))
            self._changed = False

    def _load(self) -> dict[str, list[Any]]:
        """Read what is kept; what is damaged is no memory."""
        try:
            data = self._files.read(self._name) or b"{}"
            tree = json.loads(data)
            checksum = str(tree["sum"]).encode()
            whole = checksum == _sum(data.replace(checksum, _NO_SUM, 1))
            return dict(tree["known"]) if whole and tree["about"] == self._about else {}
        except (ValueError, TypeError, KeyError, BeamBellError):
            return {}


def _sum(data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data)
