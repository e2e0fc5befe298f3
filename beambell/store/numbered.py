"""Records that are numbered from 1 on and never removed: one that is missing was lost, and what follows rests on it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from beambell.errors import ArtefactError
from beambell.store.manifest import Manifest, Store


@dataclass(frozen=True)
class Numbered:
    """One record of a series.

    Attributes
    ----------
    series
        Folder that the series lies in.
    number
        Number of the record in its series, from 1.
    folder, manifest
        Folder and manifest of the record.
    """

    series: str
    number: int
    folder: str
    manifest: Manifest

    @property
    def owner(self) -> str:
        """Whose series it is: the last part of its folder."""
        return self.series.rpartition("/")[2]


def read_numbered(store: Store, folder: str, letter: str) -> list[Numbered]:
    """Read the records of every series below a folder, in order of series and number.

    Parameters
    ----------
    folder
        Folder such as ``models/registry``, or of one series in it.
    letter
        Letter before the number in the name of a record's folder.

    Raises
    ------
    ArtefactError
        If a number is missing between 1 and the last.
    """
    series: defaultdict[str, list[Numbered]] = defaultdict(list)
    for place, manifest in store.under(folder).items():
        if match := re.fullmatch(rf"(.+)/{letter}(\d+)", place):
            series[match[1]].append(Numbered(match[1], int(match[2]), place, manifest))
    for name, records in series.items():
        records.sort(key=lambda record: record.number)
        for number, record in enumerate(records, 1):
            if record.number != number:
                raise ArtefactError(
                    f"missing, though there is a number {record.number}: such records are never removed",
                    where=store.files.path(f"{name}/{letter}{number:04d}"),
                    fix="restore it from a backup or from DVC",
                )
    return [record for name in sorted(series) for record in series[name]]
