"""Files from outside the data root: raw deliveries and gold labels, found by glob and known by their bytes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from beambell.project import Project
from beambell.store import Layout
from beambell.store.cache import Cache
from beambell.store.reaching import open_file, reach, reaching
from beambell.store.remote import info_modified, info_stamp


@dataclass(frozen=True)
class SourceFile:
    """A file from outside.

    Attributes
    ----------
    name
        Path relative to the project where the pattern is so; else path or URL.
    url
        URL to open.
    stamp
        Changes when the file does.
    bytes
        Size of the file in bytes.
    modified
        Time when the file was last modified, as its source says, in seconds since 1970; 0 where that is unknown.
    """

    name: str
    url: str
    stamp: str
    bytes: int = 0
    modified: float = 0.0


def glob_files(root: Path, pattern: str, key: str) -> list[SourceFile]:
    """Find the files of a pattern, in order.

    Parameters
    ----------
    root
        The project's folder, to which a relative pattern relates.
    pattern
        A glob or an fsspec URL with one; ``{dt}`` stands for anything.
    key
        The key of ``params.yaml`` that names it.

    Raises
    ------
    InputError
        If a URL cannot be reached: then nobody knows which files there are.
    """
    glob = glob_of(pattern)
    if "://" in glob:
        where = f"{key} in params.yaml: {pattern}"
        fs, path = reach(glob, where=where)
        with reaching(where):
            infos = sorted(fs.glob(path, detail=True).items())
        urls = [(fs.unstrip_protocol(found), info) for found, info in infos if info["type"] == "file"]
        return [
            SourceFile(url, url, info_stamp(info), int(info.get("size") or 0), info_modified(info))
            for url, info in urls
        ]
    if Path(glob).is_absolute():
        base = Path(Path(glob).anchor)
        return [_local(p, str(p)) for p in sorted(base.glob(str(Path(glob).relative_to(base)))) if p.is_file()]
    return [_local(p, p.relative_to(root).as_posix()) for p in sorted(root.glob(glob)) if p.is_file()]


def landed(project: Project, folder: str) -> tuple[str, ...]:
    """Return the pattern of the files that live labeling landed in a folder below the data root, if there are any."""
    everything = project.store.files.walk(Layout.LANDED)  # one listing, which all streams share
    if not any(name.rpartition("/")[0] == folder and name.endswith(".jsonl") for name in everything):
        return ()
    root = project.params.data.rstrip("/") if "://" in project.params.data else project.params.data
    return (f"{root}/{folder}/*.jsonl",)


def glob_of(pattern: str) -> str:
    """Spell a pattern as a glob: ``{dt}`` is a star, and one with any star beside it, for two have another meaning."""
    parts = pattern.split("/")
    return "/".join(re.sub(r"\*+", "*", part.replace("{dt}", "*")) if "{dt}" in part else part for part in parts)


def _local(path: Path, name: str) -> SourceFile:
    stat = path.stat()
    return SourceFile(name, str(path), f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}", stat.st_size, stat.st_mtime)


class FileDigests:
    """SHA-256 of files, remembered by size and time of change, as git's index does.

    Parameters
    ----------
    project
        Project whose volatile folder keeps the memory.
    """

    def __init__(self, project: Project) -> None:
        self._known = Cache(project.volatile, "digests")

    def of(self, file: SourceFile) -> str:
        """Digest one file, reading it only if it looks changed.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        known = self._known.get(file.url, file.stamp)
        if known:
            return str(known)
        with reaching(file.name), open_file(file.url, where=file.name) as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        self._known.put(file.url, file.stamp, sha256)
        return sha256

    def save(self) -> None:
        """Keep what was learnt."""
        self._known.save()
