"""Lineage: which artefact was made from which, as a graph that is walked both ways.

Nothing is recorded for it: every manifest names by digest what it was made from, and that is the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from beambell.artefacts.kind import SHORT, Artefact
from beambell.artefacts.kinds.history import Aggregate
from beambell.artefacts.kinds.labels import Candidates, LabelModel
from beambell.artefacts.kinds.votes import Votes
from beambell.artefacts.lf_records import record_path
from beambell.artefacts.snapshot import Snapshot
from beambell.store import Store

FEWEST = 8  # digits that stand for a digest
GONE = "unknown since the function was changed or removed"

PastTables = Callable[[str, str, str], Iterable[str] | None]


@dataclass(frozen=True)
class Node:
    """A thing of the project: a raw file, a labeling function's version, an artefact.

    Attributes
    ----------
    key
        Unique: kind and name, as people read them.
    kind, name
        ``votes`` and ``comments/2026-01-03``.
    facts
        Facts worth showing: a digest, a fingerprint, parameters.
    current
        Whether it is the present one; what was replaced is known by its digest only.
    """

    key: str
    kind: str
    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    current: bool = True


@dataclass
class Graph:
    """Nodes by key, and what each was made from.

    Attributes
    ----------
    nodes
        Nodes by their key.
    parents, children
        Key to keys, in order: what it was made from, and what was made with it.
    voters
        Fingerprints by name of the labeling functions that cast votes, by the votes' key.
    meanings
        Digest of these, by the votes' key, as states have it.
    asides
        Votes and those of their labeling functions of whose votes no label was made, as shadow functions are: lineage
        of the one names the other, and that of nothing else.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    parents: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    children: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    digests: dict[str, list[str]] = field(default_factory=dict)
    voters: dict[str, dict[str, str]] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)
    asides: set[tuple[str, str]] = field(default_factory=set)

    def add(self, node: Node) -> str:
        """Add a node, unless one of that key is there."""
        self.nodes.setdefault(node.key, node)
        return node.key

    def connect(self, child: str, parent: str) -> None:
        """Say that one was made from the other."""
        if child != parent:
            self.parents[child][parent] = None
            self.children[parent][child] = None

    def raw(self, name: str, digest: str) -> str:
        """Key of a raw file of this name, added if it is not there."""
        key = self.add(Node(f"raw file {name}", "raw file", name, {"sha256": digest[:SHORT]}))
        keys = self.digests.setdefault(digest, [])
        if key not in keys:
            keys.append(key)
        return key

    def lf(self, name: str, fingerprint: str) -> str:
        """Key of a labeling function's version, added if it is not there."""
        short = fingerprint[:SHORT]
        facts = {"fingerprint": short, "source": record_path(name, fingerprint)}
        key = self.add(Node(f"LF {name} {short}", "LF", name, facts))
        self.digests.setdefault(fingerprint, [key])
        return key

    def has(self, kind: str, partition: str | None, digest: str) -> str | None:
        """Key of the artefact of a digest; ``None`` if it was replaced and not kept."""
        for key in self.digests.get(digest, ()):
            node = self.nodes[key]
            if node.kind == kind and partition in (None, node.name):
                return key
        return None

    def made(self, kind: str, partition: str | None, digest: str) -> str:
        """Key of the artefact of a digest; one that was replaced and not kept becomes a node that says so."""
        if key := self.has(kind, partition, digest):
            return key
        short, name = digest[:SHORT], f"{partition} " if partition else ""
        return self.add(Node(f"{kind} {name}{short}", kind, partition or short, {"digest": short}, False))

    def votes_of_others(self, partition: str, digest: str) -> str:
        """Key of votes of which today's labeling functions have cast the same."""
        short = digest[:SHORT]
        return self.add(Node(f"votes {partition} {short} of other LFs", "votes", partition, {"digest": short}, False))

    def find(self, text: str) -> list[str]:
        """Keys of the nodes that a person may mean: an exact name or file, else a digest's first digits."""
        exact = [key for key, node in self.nodes.items() if text in (key, node.name, node.facts.get("file"))]
        if exact:
            return exact
        if len(text) >= FEWEST:
            return sorted({key for digest, keys in self.digests.items() if digest.startswith(text) for key in keys})
        return []

    def reach(self, key: str, direction: Mapping[str, Mapping[str, None]]) -> set[str]:
        """All that is reached from a node in one direction."""
        seen, todo = set[str](), [key]
        while todo:
            here = todo.pop()
            for other in self.next(here, direction, start=key):
                if other not in seen:
                    seen.add(other)
                    if not self._is_aside(here, other):
                        todo.append(other)
        return seen

    def next(self, here: str, direction: Mapping[str, Mapping[str, None]], *, start: str) -> list[str]:
        """One step from a node, on the way from where one started."""
        return [other for other in direction.get(here, ()) if here == start or not self._is_aside(here, other)]

    def _is_aside(self, one: str, other: str) -> bool:
        return (one, other) in self.asides or (other, one) in self.asides


def build_graph(store: Store, snapshot: Snapshot, history_tables: PastTables = lambda *_: None) -> Graph:
    """Join all manifests of a data root, current and past, by the digests they name.

    Parameters
    ----------
    store, snapshot
        Store of the data root, and all that was read of its manifests.
    history_tables
        Votes name the past that a stateful labeling function saw by the digest of its content for their own keys: that
        does not change with every table it is merged from. Which these are follows from the function instead: this
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
    """Yield the past that each stateful labeling function saw, with the aggregates it is merged from."""
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
