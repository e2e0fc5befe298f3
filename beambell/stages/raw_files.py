"""Raw files: what the patterns of `inputs` find, whose each file is, and of which date its name says that it is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from beambell.config import StreamParams
from beambell.errors import InputError, UsageError
from beambell.project import Project
from beambell.records import delivery_dt, delivery_end, detect_format
from beambell.stages.sources import FileDigests, SourceFile, glob_files, landed
from beambell.store import Layout, Selection
from beambell.store.partition import DT_PATTERN, read_dt

_PIECES = re.compile(r"(\*\*/|\*+|\?|\[[!^]?\]?[^\]]*\]|\{dt\})")
_FIRST_BELIEVED = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_WILD = {"{dt}": "{dt}", "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class RawFile:
    """A file as it was delivered.

    Attributes
    ----------
    stream
        Stream whose records it holds.
    name
        Path relative to the project, or URL; the order of names is the order of revisions.
    url
        URL to open.
    delivery
        The ``{dt}`` of its name, if its pattern has one.
    sha256, bytes
        Digest of its bytes, and how many there are; ``None`` where that was not put on record.
    fault
        Problem of its name, if it cannot be read for that.
    archived
        Dates of the partitions that need its rows, if the file is gone and its rows stay.
    delivered
        Latest time at which the file arrived, in ISO 8601; ``None`` where that is unknown. No event can be much later.
    outdated
        Whether an archived file's rows are of other columns than the stream has now.
    """

    stream: str
    name: str
    url: str
    delivery: str | None
    sha256: str
    bytes: int | None
    fault: str | None = None
    archived: tuple[str, ...] = ()
    delivered: str | None = None
    outdated: bool = False


class RawFiles:
    """The files that the patterns of some streams find, as they are now.

    Parameters
    ----------
    project
        Project whose ``inputs`` are searched.
    streams
        Names of those to look at.

    Attributes
    ----------
    unfit
        Sentences about patterns that fit no file, and streams that have none.

    Raises
    ------
    UsageError
        If a file belongs to two streams.
    """

    def __init__(self, project: Project, streams: Iterable[str]) -> None:
        self._digests = FileDigests(project)
        self._found: dict[str, _Named] = {}
        self._unreachable: dict[str, InputError] = {}
        self.unfit: tuple[str, ...] = ()
        for stream in sorted(streams):
            try:
                self._look_for(project, stream)
            except InputError as error:
                self._unreachable[stream] = error

    def _look_for(self, project: Project, stream: str) -> None:
        params, empty = project.params.streams[stream], []
        arrived = landed(project, f"{Layout.LANDED}/{stream}")
        for pattern in (*params.inputs, *arrived):
            files = glob_files(project.path, pattern, f"streams.{stream}.inputs")
            empty += [] if files else [pattern]
            for file in files:
                named = _Named(stream, file, *_by_its_name(file.name, pattern, params))
                self._add(replace(named, delivered=_delivered(file, pattern)))
        self.unfit += () if arrived else tuple(_unfit(project, stream, params, empty))

    def check_reached(self, *streams: str) -> None:
        """Check that it is known which files streams have; all of them if none is named.

        Raises
        ------
        InputError
            If a place could not be reached.
        """
        for stream in streams or sorted(self._unreachable):
            if stream in self._unreachable:
                raise self._unreachable[stream]

    def _add(self, named: _Named) -> None:
        name = named.file.name
        known = self._found.get(name)
        if known and known.stream != named.stream:
            raise UsageError(
                f"the file belongs to two streams, {known.stream} and {named.stream}",
                where=name,
                fix="make the inputs patterns in params.yaml disjoint",
            )
        if known is None or known.fault:  # what one pattern misreads, another may fit
            self._found[name] = named

    def names(self, stream: str) -> set[str]:
        """Names of the files of a stream."""
        return {name for name, named in self._found.items() if named.stream == stream}

    def get(self, stream: str, name: str) -> RawFile | None:
        """Return a file, its bytes digested; ``None`` if it is not there."""
        named = self._found.get(name)
        if named is None or named.stream != stream:
            return None
        file = named.file
        sha256 = self._digests.of(file)
        return RawFile(
            stream, name, file.url, named.delivery, sha256, file.bytes, named.fault, delivered=named.delivered
        )

    def selected(self, selection: Selection) -> Iterator[RawFile]:
        """Yield the files whose dates of delivery are selected, in the order of their names."""
        for name in sorted(self._found):
            named = self._found[name]
            if named.delivery is None or selection.has_dt(named.delivery):
                file = self.get(named.stream, name)
                if file is not None:
                    yield file

    def save(self) -> None:
        """Remember the digests."""
        self._digests.save()


def list_raw_files(project: Project, selection: Selection) -> list[RawFile]:
    """Find the raw files of the selected streams and delivery days, in the order of their names."""
    raw = RawFiles(project, filter(selection.has_stream, project.params.streams))
    raw.check_reached()
    files = list(raw.selected(selection))
    raw.save()
    return files


@dataclass(frozen=True)
class _Named:
    """A file, whose it is, and what its name tells: the date of delivery, and what is wrong with it."""

    stream: str
    file: SourceFile
    delivery: str | None
    fault: str | None
    delivered: str | None = None


def _unfit(project: Project, stream: str, params: StreamParams, empty: list[str]) -> list[str]:
    lines = [f"{pattern!r} fits no file ({_looked_in(project.path, pattern)})" for pattern in empty]
    if len(empty) == len(params.inputs):
        return [f"stream {stream!r} has no file: {'; '.join(lines)}"]
    return [f"streams.{stream}.inputs: {one}" for one in lines]


def _looked_in(root: Path, pattern: str) -> str:
    """Say what is in the folder that a pattern begins with, for whoever wonders why it fits nothing."""
    if "://" in pattern:
        return "nothing of that form is at that URL"
    fixed = [part for part in re.split(r"[^/]*[*?\[{]", pattern, maxsplit=1)[0].rpartition("/")[0].split("/") if part]
    folder = Path("/" if pattern.startswith("/") else root, *fixed)
    name = "/".join(fixed) or "the project's folder"
    if not folder.is_dir():
        return f"there is no folder {name}"
    names = sorted(path.name for path in folder.iterdir())
    return f"{name} holds {len(names)} others, such as {names[0]}" if names else f"{name} is empty"


def _by_its_name(name: str, pattern: str, params: StreamParams) -> tuple[str | None, str | None]:
    """Tell the date of delivery and the fault of a file by its name."""
    delivery = None
    if "{dt}" in pattern:
        match = name_pattern(pattern).search(name)
        if not match:
            fix = f"rename it, or narrow the pattern {pattern!r} in params.yaml"
            return None, f"the file's name has no date where its pattern has {{dt}}; {fix}"
        try:
            delivery = delivery_dt(match["dt"], params.grain)
        except UsageError as error:
            return None, f"{error.message}; {error.fix}"
    try:
        detect_format(name)
    except InputError as error:
        return delivery, f"{error.message}; {error.fix}"
    return delivery, None


def _delivered(file: SourceFile, pattern: str) -> str | None:
    """Say when a file was delivered: by the end of the date in its name, else when its source says it was modified."""
    if "{dt}" in pattern:
        match = name_pattern(pattern).search(file.name)
        # Of its own hour, day or month, whatever the stream's partitions are.
        return delivery_end(match["dt"]).isoformat() if match and read_dt(match["dt"]) else None
    # Archives and builds date files to the year 1970 or 1980, to have the same bytes each time.
    is_believed = file.modified >= _FIRST_BELIEVED
    return datetime.fromtimestamp(math.ceil(file.modified), UTC).isoformat() if is_believed else None


@lru_cache(maxsize=1_000)
def name_pattern(pattern: str) -> re.Pattern[str]:
    """Give the regular expression that the names of a pattern's files end in; its group ``dt`` is the first ``{dt}``.

    Parameters
    ----------
    pattern
        Pattern of ``inputs``.
    """
    path = re.sub(r"^[a-z0-9+]+://|^(\./)+", "", pattern).lstrip("/")
    spelled = "".join(map(_spell, _PIECES.split(path)))
    if "{dt}" in spelled:
        spelled = spelled.replace("{dt}", f"(?P<dt>{DT_PATTERN})", 1).replace("{dt}", "(?P=dt)")
    return re.compile(f"(?:^|/){spelled}$", re.ASCII)


def _spell(piece: str) -> str:
    if piece in _WILD:
        return _WILD[piece]
    if re.fullmatch(r"\[.+\]", piece):
        body = piece[1:-1].replace("\\", "\\\\")
        return f"[^{body[1:]}]" if body[0] in "!^" else f"[{body}]"
    return re.escape(piece)
