"""The version of a data root: by it, an older BeamBell says that it is older, instead of misreading what a newer wrote.

It is raised when an older version could no longer read, or would damage, what is there. Data roots from before there
was one have none, and are read as they are.
"""

from __future__ import annotations

import json
from typing import Final

from beambell.errors import ArtefactError, ConfigError
from beambell.store.canonical import canonical_json
from beambell.store.files import Files

DATA_VERSION: Final = 1
FILE: Final = "version.json"
_KEY: Final = "data_version"


def check_version(files: Files) -> int | None:
    """Read the version of a data root; ``None`` if it has none.

    Raises
    ------
    ConfigError
        If it is newer than what this BeamBell knows.
    ArtefactError
        If the file is damaged.
    """
    data = files.read(FILE)
    if data is None:
        return None
    try:
        version = json.loads(data)[_KEY]
    except (ValueError, TypeError, KeyError, RecursionError):
        version = None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        what = "not the version of a data root: the file is damaged, or is another's"
        raise ArtefactError(what, where=files.path(FILE), fix="remove it; the next command that writes makes it anew")
    if version > DATA_VERSION:
        raise ConfigError(
            f"a newer BeamBell wrote here: the data root has version {version}, and this one knows {DATA_VERSION}",
            where=files.path(FILE),
            fix="upgrade: pip install --upgrade beambell; nothing was read or changed",
        )
    return version


def version_bytes() -> bytes:
    """The file as this BeamBell writes it."""
    return canonical_json({_KEY: DATA_VERSION})


def mark_version(files: Files) -> None:
    """Write the version of a data root down, if it is not there; for who publishes there."""
    if check_version(files) != DATA_VERSION:
        files.write(FILE, version_bytes())
