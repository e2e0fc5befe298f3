"""Parts of an export: one for each partition with published labels, and what stands beside these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from beambell.artefacts.contributors import contributors
from beambell.artefacts.kinds.labels import Labels
from beambell.artefacts.kinds.predictions import Predictions
from beambell.artefacts.kinds.votes import Votes
from beambell.artefacts.label_files import check_classes, labels_schema
from beambell.errors import ArtefactError, UsageError
from beambell.exports.request import PREDICTIONS, ROWS, VOTES, Request
from beambell.project import Project
from beambell.records.schema import row_schema
from beambell.records.seen import TEXT
from beambell.store import Layout, Manifest, Partition, digest

SPLIT, NAME = "split", "label_name"
_VOTE, _MODEL = "vote_", "model_"
MODEL = "model"
FORM = 1
"""To be raised when the same parts come to have other bytes."""


@dataclass(frozen=True)
class Part:
    """One partition of an export.

    Attributes
    ----------
    partition
        Partition that it is of.
    labels
        Manifest of its published labels.
    rows, votes, predictions
        Manifests of its rows, votes and predictions, where they are asked for and there.
    lfs
        Fingerprints by name of the labeling functions behind the labels; ``None`` if that is not known any more.
    """

    partition: Partition
    labels: Manifest
    rows: Manifest | None
    votes: Manifest | None
    predictions: Manifest | None
    lfs: Mapping[str, str] | None

    @property
    def reads(self) -> dict[str, str]:
        """Digests of the files that it is made from, by what they are."""
        files = {"labels": self.labels.files["labels"].sha256}
        files |= {"rows": self.rows.files["rows"].sha256} if self.rows else {}
        files |= {"votes": self.votes.files["votes"].sha256} if self.votes else {}
        return files | ({"predictions": self.predictions.id} if self.predictions else {})

    @property
    def votes_are_newer(self) -> bool:
        """Whether the votes are others than those that the labels come from: the gate refused newer labels."""
        return self.votes is not None and self.votes.files["votes"].sha256 != Labels.of(self.labels).votes


@dataclass(frozen=True)
class Parts:
    """All that is exported.

    Attributes
    ----------
    parts
        Parts in the order of their partitions.
    schema
        Schema of every file.
    unpublished
        Partitions of the selection that have rows and no published labels.
    """

    parts: tuple[Part, ...]
    schema: pa.Schema
    unpublished: tuple[str, ...]

    def key(self, part: Part, request: Request) -> str:
        """Digest of all that a part's files are made from: as long as it is the same, so are their bytes."""
        columns = {field.name: str(field.type) for field in self.schema}
        return digest({"form": FORM, "reads": part.reads, "columns": columns, **request.of_each})


def find_parts(project: Project, request: Request) -> Parts:
    """Find what is to be exported.

    Raises
    ------
    ArtefactError
        If nothing that was selected is published, or of other classes than the project's.
    UsageError
        If two streams have a field of one name and different types.
    """
    store, streams = project.store, project.params.streams
    published = {p: m for p, m in store.partitions(Layout.LABELS).items() if p in request.selection}
    published = {p: m for p, m in published.items() if p.stream in streams}
    everything = {p: m for p, m in store.partitions(Layout.PARTITIONS).items() if p in request.selection}
    unpublished = tuple(str(partition) for partition in everything if partition not in published)
    if not published:
        raise ArtefactError(
            "no labels are published of what is selected",
            where=", ".join(unpublished[:3]) or None,
            fix="run `beambell run`, which says what the gate refuses; `beambell status` lists what is there",
        )
    check_classes(published, project.params.classes)
    needs_rows = ROWS in request.beside or request.splits
    votes = store.partitions(Layout.VOTES) if VOTES in request.beside else {}
    predicted = store.partitions(Layout.PREDICTIONS) if PREDICTIONS in request.beside else {}
    predicted = {p: m for p, m in predicted.items() if Predictions.of(m).classes == project.params.classes}
    parts = tuple(
        Part(
            p,
            m,
            everything.get(p) if needs_rows else None,
            votes.get(p),
            predicted.get(p),
            contributors(store, p, m),
        )
        for p, m in published.items()
    )
    return Parts(parts, _schema(project, request, parts), unpublished)


def _schema(project: Project, request: Request, parts: Sequence[Part]) -> pa.Schema:
    fields = _label_fields(project.params.classes)
    if not request.splits:
        del fields[SPLIT]
    if ROWS in request.beside:
        fields |= _row_fields(project, parts)
    if VOTES in request.beside:
        fields |= {vote_column(name): pa.int8() for part in parts if part.votes for name in lfs_of(part.votes)}
    if PREDICTIONS in request.beside:
        fields |= {MODEL: pa.string(), model_column("label"): pa.int8()}
        fields |= {model_column(f"p_{name}"): pa.float32() for name in project.params.classes}
    return pa.schema(fields)


def _label_fields(classes: tuple[str, ...]) -> dict[str, pa.DataType]:
    """Columns of every export, in order, and the splits."""
    own = {renamed(field.name): field.type for field in labels_schema(classes)}
    first = {"stream": pa.string(), "dt": pa.string(), "id": pa.string(), SPLIT: pa.string()}
    return {**first, "label": own["label"], NAME: pa.string(), **own}


def _row_fields(project: Project, parts: Sequence[Part]) -> dict[str, pa.DataType]:
    found: dict[str, pa.DataType] = {TEXT: pa.string()}
    for stream in sorted({part.partition.stream for part in parts}):
        for name, stored in row_columns(project, stream).items():
            type_ = row_schema(project.params.streams[stream]).field(stored).type
            if found.setdefault(name, type_) != type_:
                raise UsageError(
                    f"the field {name!r} is {found[name]} in one stream and {type_} in {stream!r}",
                    where=f"streams.{stream}.fields in params.yaml",
                    fix="export one stream at a time (--stream), or give the field one type",
                )
    return found


def row_columns(project: Project, stream: str) -> dict[str, str]:
    """Names of a stream's row columns in an export, with the names that they are stored by.

    The text is always called ``text``; a field whose name a column of labels has already is called ``row_NAME``.
    """
    params = project.params.streams[stream]
    taken = {TEXT, *_label_fields(project.params.classes)}
    names = {TEXT: params.text}
    for stored in row_schema(params).names:
        if stored not in ("id", params.text):
            is_taken = stored in taken or stored == MODEL or stored.startswith((_VOTE, _MODEL))
            names[f"row_{stored}" if is_taken else stored] = stored
    return names


def renamed(column: str) -> str:
    """Name in an export of a column of labels: their ``split`` is what feedback is for, and exports have their own."""
    return "feedback_split" if column == SPLIT else column


def vote_column(lf: str) -> str:
    """Name of the column of a labeling function's votes."""
    return f"{_VOTE}{lf}"


def model_column(name: str) -> str:
    """Name of a column of predictions."""
    return f"{_MODEL}{name}"


def lfs_of(votes: Manifest) -> list[str]:
    """Names of the labeling functions that voted, in the order of the codes."""
    return list(Votes.of(votes).fingerprints)
