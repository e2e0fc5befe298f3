"""Records of labeling functions: what each version that voted was, with its source, kept for lineage and diffs.

A record has no manifest that would name its digest, so it holds its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Final

from beambell.errors import ArtefactError
from beambell.store.canonical import canonical_json, digest
from beambell.store.layout import Layout
from beambell.store.manifest import Store

SHORT: Final = 16
"""Digits of the fingerprint in a record's name."""

_DIGEST: Final = "digest"
_FIX: Final = (
    "remove it; `beambell apply` writes the records of today's labeling functions again, "
    "those of earlier versions come from a backup only"
)


@dataclass(frozen=True)
class LFRecord:
    """What one version of a labeling function was.

    Attributes
    ----------
    name, kind, fingerprint, source
        Name of the labeling function, its kind (such as ``keyword``), its fingerprint of 64 hex digits, and its code.
    label
        Number of the class that it votes for; None if that depends on the row.
    fields, streams
        Columns that it reads and streams that it votes on; None stands for all.
    version, description, owner, tags
        Words that its author wrote beside it.
    """

    name: str
    kind: str
    fingerprint: str
    source: str
    label: int | None = None
    fields: list[str] | None = None
    streams: list[str] | None = None
    version: str | None = None
    description: str = ""
    owner: str | None = None
    tags: list[str] | None = None

    @property
    def path(self) -> str:
        """Where it is kept, below the data root."""
        return record_path(self.name, self.fingerprint)

    def to_bytes(self) -> bytes:
        """Spell it with the digest of all that it says."""
        about = asdict(self)
        return canonical_json({**about, _DIGEST: digest(about)})


_KEYS: Final = frozenset(field.name for field in fields(LFRecord))


def record_path(name: str, fingerprint: str) -> str:
    """Path of a record, below the data root."""
    return f"{Layout.LFS}/{name}/{fingerprint[:SHORT]}.json"


def read_record(store: Store, path: str) -> LFRecord | None:
    """Read a record, and check it.

    Parameters
    ----------
    store, path
        The data root, and where the record is in it.

    Returns
    -------
    LFRecord or None
        None if there is no such record.

    Raises
    ------
    ArtefactError
        If its bytes are not those that were written, or it is the record of another labeling function. Records that
        BeamBell wrote before they held a digest are checked by their form and their name only.
    """
    data = store.files.read(path)
    if data is None:
        return None
    where = store.files.path(path)
    try:
        about = json.loads(data)
        sealed = about.pop(_DIGEST, None) is not None
        record = LFRecord(**about)
        own = record.path
    except (ValueError, TypeError, AttributeError):
        raise ArtefactError("not a record of a labeling function", where=where, fix=_FIX) from None
    if about.keys() != _KEYS or (sealed and data != record.to_bytes()):
        raise ArtefactError("changed: it is not as it was written", where=where, fix=_FIX)
    if own != path:
        raise ArtefactError(f"the record of another labeling function, {own}", where=where, fix=_FIX)
    return record


def damaged_records(store: Store) -> Iterator[tuple[str, ArtefactError]]:
    """Read all records, and yield those that are damaged: path below the data root, and what is wrong."""
    for path in store.files.walk(Layout.LFS):
        if not path.endswith(".json"):  # what others put beside them, such as a .gitignore
            continue
        try:
            read_record(store, path)
        except ArtefactError as error:
            yield path, error
