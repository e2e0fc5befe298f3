"""What need not be found out again: kept in the volatile folder, safe to delete, of no use where nothing has stamps."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from beambell.store.files import Files


class Remembered:
    """Values by key, each known for as long as the stamp it was learnt under holds.

    Parameters
    ----------
    folder
        The project's volatile folder.
    name
        Of the file there, without its suffix.
    about
        What the values are about; all are forgotten when it changes.
    """

    def __init__(self, folder: Path, name: str, about: str = "") -> None:
        self._files, self._name, self._about = Files(folder), f"{name}.json", about
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
            self._files.write(self._name, json.dumps({"about": self._about, "known": self._known}).encode())
            self._changed = False

    def _load(self) -> dict[str, list[Any]]:
        try:
            tree = json.loads(self._files.read(self._name) or b"{}")
            return dict(tree["known"]) if tree["about"] == self._about else {}
        except (ValueError, TypeError, KeyError):
            return {}
