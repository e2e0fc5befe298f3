"""Lineage for people: what something was made from, and what was made with it; for a label, its row and votes too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from beambell.artefacts.graph import FEWEST, SHORT, Graph, Node
from beambell.artefacts.kind import kinds
from beambell.artefacts.kinds.feedback import Batch
from beambell.artefacts.lf_records import read_record
from beambell.artefacts.snapshot import Snapshot, take_snapshot
from beambell.artefacts.tracing import PastTables, build_graph
from beambell.errors import BeamBellError, UsageError
from beambell.feedback.batches import read_batches, read_events
from beambell.history.tables import open_aggregates
from beambell.labeling import StatefulFunction
from beambell.project import Project
from beambell.store import Layout, Partition

RECORDS_NAMED = 8


@dataclass(frozen=True)
class LabelView:
    """One row's label and what it rests on.

    Attributes
    ----------
    id, file, line
        The row, and the raw file it came from.
    label, probabilities
        Label and probability of each class, as published; ``None`` if unlabelled.
    votes
        LF to class, of those that voted.
    source, feedback
        Source of the label, and the feedback that touched it: see `beambell.artefacts.label_files.labels_schema`.
    events
        Answers that people gave about the row, in order of time.
    """

    id: str
    file: str
    line: int
    label: str | None
    probabilities: dict[str, float]
    votes: dict[str, str]
    source: str = "votes"
    feedback: str = "none"
    events: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class Lineage:
    """Where something comes from, and where it went.

    Attributes
    ----------
    subject
        Key of the node.
    nodes
        Nodes that are reached, by key.
    made_from, made_with
        Key to keys, restricted to what is reached: towards raw files, LFs and parameters; towards labels and models.
    label
        The row, if the subject is one row's label.
    """

    subject: str
    nodes: Mapping[str, Node]
    made_from: Mapping[str, list[str]]
    made_with: Mapping[str, list[str]]
    label: LabelView | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


def trace(project: Project, text: str) -> Lineage:
    """Trace a raw file, data file, partition, LF, label or model both ways.

    Parameters
    ----------
    project
        Project that is searched.
    text
        A raw file's name, a data file's path, ``comments/2026-01-03`` (its labels), ``comments/2026-01-03/ID`` (one
        row's label), ``spam@v1``, an LF's name, or the first digits (at least 8) of a digest, id or fingerprint.

    Raises
    ------
    UsageError
        If nothing has that name.
    """
    snapshot = take_snapshot(project.store)
    graph = build_graph(project.store, snapshot, _past_tables(project, snapshot))
    key, row = _subject(project, graph, snapshot, text)
    up, down = graph.reach(key, graph.parents), graph.reach(key, graph.children)
    seen = {key} | up | down
    return Lineage(
        subject=key,
        nodes={name: graph.nodes[name] for name in sorted(seen)},
        made_from=_edges(graph, graph.parents, key, up),
        made_with=_edges(graph, graph.children, key, down),
        label=_label(project, key.removeprefix("labels "), row) if row is not None else None,
        sources=dict(_sources(project, (graph.nodes[name] for name in sorted({key} | up)))),
    )


def _edges(
    graph: Graph, direction: Mapping[str, Mapping[str, None]], key: str, reached: set[str]
) -> dict[str, list[str]]:
    found = {}
    for name in sorted({key} | reached):
        if others := [other for other in graph.next(name, direction, start=key) if other in reached]:
            found[name] = others
    return found


def _past_tables(project: Project, snapshot: Snapshot) -> PastTables:
    """Tell which aggregates the history of today's stateful labeling functions is merged from.

    Of functions that were edited or removed since, or cannot be loaded, nobody knows any more.
    """
    if not any(artefact.FOLDER == Layout.AGGREGATES for artefact in snapshot.current):
        return lambda *_: None
    try:
        lfs = {lf.name: lf for lf in project.catalogue if isinstance(lf, StatefulFunction)}
        opened = open_aggregates(project.store, project.params, lfs.values())
    except BeamBellError:
        return lambda *_: None

    def folders(partition: str, name: str, fingerprint: str) -> Iterable[str] | None:
        if name not in lfs or project.catalogue.fingerprints[name] != fingerprint:
            return None
        lf, (stream, dt) = lfs[name], partition.split("/")
        tables = opened[lf.spec.id]
        history = tables.history_of(Partition(stream, dt), lf.window_days, lf.pane_in(dt))
        return map(tables.folder, history.tables)

    return folders


def _subject(project: Project, graph: Graph, snapshot: Snapshot, text: str) -> tuple[str, str | None]:
    name = _relative(project, text)
    if name.endswith(f"/{Layout.PUBLIC_FILE}"):  # everybody's copy of published labels
        name = str(Partition.in_folder(name.rpartition("/")[0]) or name)
    # A partition's name means its labels, a raw file's the file and not the record of its delivery.
    for key in (f"raw file {name}", f"labels {name}", f"votes {name}", f"partition {name}"):
        if key in graph.nodes:
            return key, None
    found = graph.find(name) or graph.find(_digest_in(name))
    if found:
        newest = [key for key in found if graph.nodes[key].current] or found
        return _nearest(graph, name, newest), None
    stream, _, rest = name.partition("/")
    dt, _, row = rest.partition("/")
    if row and f"labels {stream}/{dt}" in graph.nodes:
        return f"labels {stream}/{dt}", row
    if records := _records(snapshot, name):
        raise UsageError(
            f"no votes of the labeling function {text!r} are kept: they were replaced when it was changed or removed",
            fix=f"what it was is on record: {', '.join(map(project.store.files.path, records[:RECORDS_NAMED]))}",
        )
    raise UsageError(
        f"nothing here is called {text!r}",
        fix="give a raw file, a data file, a partition (comments/2026-01-03), a row's label (comments/2026-01-03/ID), "
        "a model version (spam@v1), an LF, or the first 8 or more digits of a digest",
    )


def _records(snapshot: Snapshot, name: str) -> list[str]:
    """Records of all versions of a labeling function, or of the one with these first digits of its fingerprint."""
    records = [place for place in snapshot.entries if place.startswith(f"{Layout.LFS}/")]
    digits = name[:SHORT] if len(name) >= FEWEST else None
    return [
        place
        for place in records
        if place.split("/")[1] == name or (digits and place.rpartition("/")[2].startswith(digits))
    ]


def _nearest(graph: Graph, name: str, keys: list[str]) -> str:
    """Of several with one name or digest: the one whose folder was meant, else the first made."""
    partition = Partition.from_folder(name.rpartition("/")[0]) if "/dt=" in name else None
    family = name.partition("/")[0]
    for key in keys:
        node = graph.nodes[key]
        kinds = {"candidates": "candidate labels", "partitions": "partition", "label_models": "label model",
                 Layout.LABELS: "labels"}  # fmt: skip
        if partition and node.name == str(partition) and node.kind == kinds.get(family, family):
            return key
    return keys[0]


def _relative(project: Project, text: str) -> str:
    """Names may be given as paths: artefacts then lose the data root, raw files the project's folder."""
    text = text.removeprefix(f"{project.path}/")
    for root in (project.store.files.path(""), project.params.data):
        name = text.removeprefix(f"{root}/").removeprefix(f"{root.removeprefix(f'{project.path}/')}/")
        if name.startswith((*kinds(), Layout.PUBLIC)):
            return Layout.today(name)
    return text


def _digest_in(name: str) -> str:
    """Digits in the name of a data file: ``votes-0123456789abcdef.parquet``."""
    stem = name.rpartition("/")[2].partition(".")[0]
    return stem.rpartition("-")[2]


def _sources(project: Project, nodes: Iterable[Node]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if node.kind == "LF" and (record := read_record(project.store, node.facts["source"])):
            yield node.key, record.source


def _label(project: Project, partition: str, row: str) -> LabelView:
    stream, _, dt = partition.partition("/")
    read: tuple[Callable[..., Any], ...] = (project.labels, project.rows, project.votes)
    labels, rows, votes = (
        table.filter(pc.equal(table["id"], row)).to_pylist() for table in (get(stream, dt, "arrow") for get in read)
    )
    if not labels or not rows:
        raise UsageError(f"there is no row {row!r} in {partition}", fix="take an id from Project.labels or .rows")
    classes = project.params.classes
    label: dict[str, Any] = labels[0]
    voted = {name: classes[vote] for name, vote in (votes[0] if votes else {}).items() if name != "id" and vote >= 0}
    return LabelView(
        id=row,
        file=rows[0]["_file"],
        line=rows[0]["_line"],
        label=classes[label["label"]] if label["label"] >= 0 else None,
        probabilities={name: label[f"p_{name}"] for name in classes},
        votes=voted,
        source=label["source"],
        feedback=label["feedback"],
        events=tuple(_events(project, stream, row)),
    )


def _events(project: Project, stream: str, row: str) -> Iterator[dict[str, str]]:
    for folder, batch in read_batches(project.store).items():
        events = read_events(project.store, {folder: batch})
        mine = events.filter(pc.and_(pc.equal(events["row_id"], row), pc.equal(events["stream"], stream)))
        for event in mine.sort_by([("time", "ascending"), ("event_id", "ascending")]).to_pylist():
            event |= {
                "time": event["time"].isoformat(),
                "batch": folder.rpartition("/")[2],
                "file": Batch.of(batch).file,
            }
            yield {name: value for name, value in event.items() if value is not None}
