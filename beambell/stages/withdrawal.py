"""Withdrawal: a person takes raw files out, or lets them in again; ingest then makes partitions say the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from beambell.artefacts.kinds.records import Delivery
from beambell.errors import UsageError
from beambell.project import Project
from beambell.stages.deliveries import Key, forget_delivery, read_deliveries, withdraw_delivery
from beambell.stages.ingest import STAGE
from beambell.stages.raw_files import RawFile, RawFiles
from beambell.stages.stage import Plan, Task
from beambell.store import Manifest, Selection


class Wishes:
    """Raw files that a person wants out, or in again.

    Parameters
    ----------
    project, selection
        Project, and a selection of which the streams count.
    withdraw, restore
        Names of raw files as messages have them, paths, or globs of either.

    Raises
    ------
    UsageError
        If a name is of no file, or one that is to be let in was not taken out.
    """

    def __init__(
        self, project: Project, selection: Selection, withdraw: Sequence[str] = (), restore: Sequence[str] = ()
    ) -> None:
        streams = [stream for stream in project.params.streams if selection.has_stream(stream)]
        self._project = project
        self._known = read_deliveries(project, streams)
        self._raw = RawFiles(project, streams)
        self._raw.check_reached()
        there = {(stream, name) for stream in streams for name in self._raw.names(stream)}
        out = {key for key, record in self._known.items() if Delivery.of(record).is_withdrawn}
        self._withdraw = _match(project, withdraw, there | self._known.keys(), "--withdraw", "there is no raw file")
        self._restore = _match(project, restore, out, "--restore", "no raw file was withdrawn that is called")

    def plan(self) -> Plan[None]:
        """Say what would be done."""
        tasks = [Task(name, self._spoken(self._known.get((stream, name)))) for stream, name in self._withdraw]
        tasks += [Task(name, "let in again") for _, name in self._restore]
        return Plan(STAGE, tuple(tasks))

    def keep(self) -> None:
        """Write them down; the next ingest follows them, also if this process ends here."""
        for stream, name in self._withdraw:
            file, record = self._raw.get(stream, name), self._known.get((stream, name))
            if file or record:
                withdraw_delivery(self._project, file or _of_record(stream, name, record))
        for key in self._restore:
            forget_delivery(self._project, key)
        self._raw.save()

    @staticmethod
    def _spoken(record: Manifest | None) -> str:
        rows, partitions = (Delivery.of(record).rows, len(Delivery.of(record).partitions)) if record else (0, 0)
        return f"withdrawn: its {rows:,} rows in {partitions} partitions are taken out"


def _of_record(stream: str, name: str, record: Manifest | None) -> RawFile:
    assert record is not None
    delivery = Delivery.of(record)
    return RawFile(stream, name, "", delivery.delivery, delivery.sha256, delivery.bytes)


def _match(project: Project, wanted: Iterable[str], keys: Iterable[Key], option: str, none: str) -> list[Key]:
    names = {name: (stream, name) for stream, name in sorted(keys)}
    found: dict[Key, None] = {}
    for pattern in wanted:
        spellings = {pattern, _within(project, pattern)}
        mine = [key for name, key in names.items() if any(name == one or fnmatchcase(name, one) for one in spellings)]
        if not mine:
            near = get_close_matches(pattern, names, n=3, cutoff=0.4)
            some = f"are {' and '.join(near)} meant? " if near else ""
            raise UsageError(
                f"{none} {pattern!r}", where=option, fix=f"{some}names are as in messages of ingest, or globs of them"
            )
        found |= dict.fromkeys(mine)
    return list(found)


def _within(project: Project, path: str) -> str:
    """Spell a path from where the command was given as the names of raw files are."""
    full = Path(path).absolute()
    return full.relative_to(project.path).as_posix() if full.is_relative_to(project.path) else str(full)
