"""Files from outside the data root: raw deliveries and gold labels, found by glob and known by their bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from beambell.project import Project


def glob_files(root: Path, pattern: str) -> list[tuple[str, str]]:
    """Find the files of a pattern, in order.

    Parameters
    ----------
    root
        The project's folder, to which a relative pattern relates.
    pattern
        A glob or an fsspec URL with one; ``{dt}`` stands for anything.

    Returns
    -------
    list of (name, url)
        The name is relative to the project where the pattern is.
    """
    glob = pattern.replace("{dt}", "*")
    if "://" in glob:
        import fsspec

        fs, path = fsspec.core.url_to_fs(glob)
        return [(fs.unstrip_protocol(found), fs.unstrip_protocol(found)) for found in sorted(fs.glob(path))]
    if Path(glob).is_absolute():
        base = Path(Path(glob).anchor)
        return [(str(p), str(p)) for p in sorted(base.glob(str(Path(glob).relative_to(base)))) if p.is_file()]
    return [(p.relative_to(root).as_posix(), str(p)) for p in sorted(root.glob(glob)) if p.is_file()]


class FileDigests:
    """SHA-256 of files, remembered by size and time of change, as git's index does.

    Parameters
    ----------
    project
        Its volatile folder keeps the memory.
    """

    def __init__(self, project: Project) -> None:
        self._path = project.volatile / "digests.json"
        try:
            self._known: dict[str, list[Any]] = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            self._known = {}
        self._changed = False

    def of(self, url: str) -> str:
        """Digest one file, reading it only if it looks changed."""
        stamp = self._stamp(url)
        known = self._known.get(url)
        if known and known[0] == stamp:
            return str(known[1])
        import fsspec

        with fsspec.open(url, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[url] = [stamp, sha256]
        self._changed = True
        return sha256

    def save(self) -> None:
        """Keep what was learnt."""
        if self._changed:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(json.dumps(self._known))
            temporary.replace(self._path)

    @staticmethod
    def _stamp(url: str) -> str:
        if "://" not in url:
            stat = Path(url).stat()
            return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
        import fsspec

        fs, path = fsspec.core.url_to_fs(url)
        info = fs.info(path)
        return " ".join(str(info.get(key)) for key in ("size", "ETag", "mtime", "LastModified", "created"))
