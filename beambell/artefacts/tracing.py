"""Lineage: which artefact was made from which.

Nothing is recorded for it: every manifest names by digest what it was made from, and that is the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from beambell.artefacts.graph import SHORT, Graph, Node
from beambell.artefacts.kind import Artefact
from beambell.artefacts.kinds.history import Aggregate
from beambell.artefacts.kinds.labels import Candidates, LabelModel
from beambell.artefacts.kinds.votes import Votes
from beambell.artefacts.snapshot import Snapshot
from beambell.store import Store

GONE = "unknown since the function was changed or removed"

PastTables = Callable[[str, str, str], Iterable[str] | None]


def build_graph(store: Store, snapshot: Snapshot, history_tables: PastTables = lambda *_: None) -> Graph:
    """Join all manifests of a data root, current and past, by the digests they name.

    Parameters
    ----------
    store, snapshot
        Store of the data root, and all that was read of its manifests.
    history_tables
        Votes name the history that a stateful labeling function saw by the digest of its content for their own keys:
        that does not change with every table it is merged from. Which these are follows from the function instead: this
        returns their folders for a partition, and the name and fingerprint of a labeling function; ``None`` if that
        version of it is not to be had any more.
    """
    graph = Graph()
    keys = {}
    artefacts: list[Artefact] = [*snapshot.current, *snapshot.revisions]
    for artefact in artefacts:
        keys[artefact.place] = key = graph.add(_node(artefact))
        for digest in artefact.digests:
            graph.digests.setdefault(digest, []).append(key)
        if isinstance(artefact, Votes):
            graph.meanings[key] = artefact.lfs_digest
            graph.voters[key] = artefact.fingerprints
    for artefact in artefacts:
        key = keys[artefact.place]
        for parent in artefact.parents(store, graph):
            graph.connect(key, parent)
        if isinstance(artefact, Votes):
            for history, tables in _histories(artefact, graph, history_tables):
                graph.connect(key, history)
                for table in tables:
                    graph.connect(history, table)
    graph.asides |= set(_asides(artefacts, keys, graph))
    return graph


def _asides(artefacts: Iterable[Artefact], keys: Mapping[str, str], graph: Graph) -> Iterator[tuple[str, str]]:
    """Find the labeling functions that voted, and that no label model listened to which labelled by these votes."""
    models = {artefact.manifest.id: artefact.lfs for artefact in artefacts if isinstance(artefact, LabelModel)}
    voters_of: dict[str, set[str]] = {}
    for artefact in artefacts:
        if isinstance(artefact, Candidates):
            names: Iterable[str] | None = artefact.lfs or models.get(artefact.label_model)
            for parent in graph.parents[keys[artefact.place]]:
                if parent in graph.voters:
                    voters_of.setdefault(parent, set()).update(graph.voters[parent] if names is None else names)
    for votes, listened in voters_of.items():
        for name, fingerprint in graph.voters[votes].items():
            if name not in listened:
                yield votes, graph.lf(name, fingerprint)


def _node(artefact: Artefact) -> Node:
    manifest = artefact.manifest
    facts = {"id": manifest.id[:SHORT]}
    facts |= {name: digest[:SHORT] for name, digest in manifest.inputs.items() if name in ("params", "gate", "schema")}
    facts |= {name: str(manifest.facts[name]) for name in ("rows", "kind", "events") if name in manifest.facts}
    return Node(f"{artefact.TITLE} {artefact.name}", artefact.TITLE, artefact.name, facts, artefact.current)


def _histories(votes: Votes, graph: Graph, history_tables: PastTables) -> Iterator[tuple[str, list[str]]]:
    """Yield the history that each stateful labeling function saw, with the aggregates it is merged from."""
    partition = votes.partition or ""
    for lf, fingerprint in votes.fingerprints.items():
        digest = votes.history_seen_by(lf)
        if digest is not None:
            name = f"{lf} on {partition}"
            folders = history_tables(partition, lf, fingerprint)
            facts = {"digest": digest[:SHORT], **({"tables": GONE} if folders is None else {})}
            history = graph.add(Node(f"past of {name}", "past", name, facts))
            names = (folder.removeprefix(f"{Aggregate.FOLDER}/") for folder in folders or ())
            tables = (f"{Aggregate.TITLE} {table}" for table in names)
            yield history, [table for table in tables if table in graph.nodes]
