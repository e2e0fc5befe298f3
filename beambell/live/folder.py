"""Folder of what live labeling knows, below the data root: small files that appear whole."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from beambell.store.files import Files


class LiveFolder:
    """Files below one folder of the data root, written without its staging folder, which batch writers sweep.

    Parameters
    ----------
    files
        Data root.
    folder
        Path below it.
    """

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self.folder = folder

    def at(self, *names: str) -> LiveFolder:
        """Return a folder below this one."""
        return LiveFolder(self._files, "/".join((self.folder, *names)))

    def path(self, name: str) -> str:
        """Return the path or URL of a file."""
        return self._files.path(f"{self.folder}/{name}")

    @property
    def is_local(self) -> bool:
        """Whether the data root is a folder of this machine, so that files can grow."""
        return self._files.is_local

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole: readers see the old bytes or the new ones."""
        whole = f"{self.folder}/{name}"
        if not self._files.is_local:
            self._files.write(whole, data)
            return
        path = Path(self._files.path(whole))
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # two machines may give one process id
        announce("write", whole)
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._replace(aside, path, whole)

    def publish(self, part: Path, name: str) -> None:
        """Give a local file of this folder, written and synced elsewhere, its name."""
        self._replace(part, Path(self.path(name)), f"{self.folder}/{name}")

    def _replace(self, part: Path, path: Path, whole: str) -> None:
        announce("rename", whole)
        part.replace(path)
        if hasattr(os, "O_DIRECTORY"):
            folder = os.open(path.parent, os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def write_json(self, name: str, document: Any) -> None:
        """Write a JSON document."""
        self.write(name, json.dumps(document, ensure_ascii=False).encode())

    def read(self, name: str) -> bytes | None:
        """Read a file whole, or ``None`` if there is none."""
        whole = f"{self.folder}/{name}"
        if not self._files.is_local:
            return self._files.read_many([whole]).get(whole)
        try:
            return Path(self._files.path(whole)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_json(self, name: str) -> Any:
        """Read a JSON document; ``None`` if there is none, or if it is damaged: all of it can be made again."""
        data = self.read(name)
        try:
            return None if data is None else json.loads(data)
        except ValueError:
            return None

    def names(self, suffix: str = "") -> list[str]:
        """Return the names of the files that end so, sorted; none that is being written."""
        return [name for name in self._files.list(self.folder) if name.endswith(suffix) and not name.startswith(".")]

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._files.remove(f"{self.folder}/{name}")


def announce(verb: str, name: str) -> None:
    """Tell the observer of changes, if there is one, of one that is about to be made."""
    if Files.observer:
        Files.observer(verb, name)
