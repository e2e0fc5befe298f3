"""Lineage: which artefact was made from which, as a graph that is walked both ways.

Nothing is recorded for it: every manifest names by digest what it was made from, and that is the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from beambell.artefacts.contributors import FACT
from beambell.artefacts.lf_records import record_path
from beambell.artefacts.members import read_members
from beambell.artefacts.snapshot import Artefact, Snapshot
from beambell.store import Layout, Manifest, Store
from beambell.store.families import FAMILIES

SHORT = 16
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
        What is worth showing: a digest, a fingerprint, parameters.
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
        By key.
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


def build_graph(store: Store, snapshot: Snapshot, past_tables: PastTables = lambda *_: None) -> Graph:
    """Join all manifests of a data root, current and past, by the digests they name.

    Parameters
    ----------
    store, snapshot
        Of the data root.
    past_tables
        Votes name the past that a stateful labeling function saw by the digest of its content for their own keys: that
        does not change with every table it is merged from. Which these are follows from the function instead: this
        returns their folders for a partition, and the name and fingerprint of a labeling function; ``None`` if that
        version of it is not to be had any more.
    """
    graph = Graph()
    keys = {}
    artefacts = [*snapshot.current, *snapshot.past]
    for artefact in artefacts:
        keys[artefact.place] = key = graph.add(_node(artefact))
        for digest in (artefact.manifest.id, *(ref.sha256 for ref in artefact.manifest.files.values())):
            graph.digests.setdefault(digest, []).append(key)
        # Labels, and aggregates of partitions, name what it says of their own rows.
        if artefact.family in (Layout.FEEDBACK, Layout.ANSWERS):
            for _, _, digest in artefact.manifest.facts["partitions"].values():
                graph.digests.setdefault(digest or "", []).append(key)
        if artefact.family == Layout.VOTES:
            graph.meanings[key] = artefact.manifest.inputs["lfs"]
            graph.voters[key] = {lf["name"]: lf["fingerprint"] for lf in artefact.manifest.facts["lfs"]}
    for artefact in artefacts:
        for parent in _parents(store, artefact, graph):
            graph.connect(keys[artefact.place], parent)
        if artefact.family == Layout.VOTES:
            for past, tables in _pasts(artefact, graph, past_tables):
                graph.connect(keys[artefact.place], past)
                for table in tables:
                    graph.connect(past, table)
    graph.asides |= set(_asides(artefacts, keys, graph))
    return graph


def _asides(artefacts: Iterable[Artefact], keys: Mapping[str, str], graph: Graph) -> Iterator[tuple[str, str]]:
    """Find the labeling functions that voted, and that no label model listened to which labelled by these votes."""
    models = {a.manifest.id: a.manifest for a in artefacts if a.family == Layout.LABEL_MODEL}
    heard: dict[str, set[str]] = {}
    for artefact in artefacts:
        if artefact.family in (Layout.CANDIDATES, Layout.LABELS):
            model = models.get(artefact.manifest.inputs["label_model"])
            names = artefact.manifest.facts.get(FACT) or (model.facts["lfs"] if model else None)
            for parent in graph.parents[keys[artefact.place]]:
                if parent in graph.voters:
                    heard.setdefault(parent, set()).update(graph.voters[parent] if names is None else names)
    for votes, names in heard.items():
        for name, fingerprint in graph.voters[votes].items():
            if name not in names:
                yield votes, _lf(graph, name, fingerprint)


def _node(artefact: Artefact) -> Node:
    manifest = artefact.manifest
    kind = FAMILIES[artefact.family].title
    if artefact.family == Layout.REGISTRY:
        name = f"{manifest.facts['name']}@v{manifest.facts['version']}"
    elif artefact.family == Layout.DECISIONS:
        name = f"{manifest.facts['action']} {manifest.facts['version']} ({artefact.folder.rpartition('/')[2]})"
    elif artefact.family == Layout.DELIVERIES:
        name = str(manifest.facts["file"])
    elif artefact.family in (Layout.FEEDBACK_BATCHES, Layout.FEEDBACK_QUEUES):
        name = artefact.folder.rpartition("/")[2]
    elif artefact.family == Layout.AGGREGATES:
        name = artefact.folder.removeprefix(f"{Layout.AGGREGATES}/")
    else:
        name = artefact.partition or manifest.id[:SHORT]
    facts = {"id": manifest.id[:SHORT]}
    facts |= {name: digest[:SHORT] for name, digest in manifest.inputs.items() if name in ("params", "gate", "schema")}
    facts |= {name: str(manifest.facts[name]) for name in ("rows", "kind", "events") if name in manifest.facts}
    return Node(f"{kind} {name}", kind, name, facts, artefact.current)


def _parents(store: Store, artefact: Artefact, graph: Graph) -> Iterator[str]:  # noqa: PLR0912 - one case per kind, each a line or two
    manifest, partition = artefact.manifest, artefact.partition
    match artefact.family:
        case Layout.PARTITIONS:
            for name, digest in manifest.inputs.items():
                yield _raw(graph, name, digest)
        case Layout.DELIVERIES:
            yield _raw(graph, manifest.facts["file"], manifest.inputs["file"])
        case Layout.VOTES:
            yield _made(graph, "partition", partition, manifest.inputs["rows"])
            yield from (_lf(graph, lf["name"], lf["fingerprint"]) for lf in manifest.facts["lfs"])
        case Layout.AGGREGATES:
            for name, digest in manifest.inputs.items():
                known = {"rows": ("partition", partition), "feedback": ("answers", None)}
                yield _made(graph, *known.get(name, ("aggregate", f"{_spec(artefact)}/{name}")), digest)
        case Layout.STATE:
            yield from _members(store, graph, manifest)
        case Layout.LABEL_MODEL:
            yield _made(graph, "state", None, manifest.inputs["state"])
            yield from _feedback(graph, manifest)
        case Layout.FEEDBACK_BATCHES:
            if "file" in manifest.inputs:
                yield _raw(graph, manifest.facts["file"], manifest.inputs["file"])
        case Layout.FEEDBACK | Layout.ANSWERS:
            yield from (key for key in map("feedback batch {}".format, manifest.facts["batches"]) if key in graph.nodes)
        case Layout.CANDIDATES | Layout.LABELS:
            lfs = manifest.facts.get(FACT, {})
            yield _votes(graph, partition, manifest.inputs["votes"], lfs)
            yield from (_lf(graph, name, fingerprint) for name, fingerprint in lfs.items())
            yield _made(graph, "label model", None, manifest.inputs["label_model"])
            yield from _feedback(graph, manifest)
            if artefact.family == Layout.LABELS:
                yield from (key for key in [f"verdict {partition}"] if key in graph.nodes)
        case Layout.VERDICTS:
            if "labels" in manifest.inputs:
                yield _made(graph, "candidate labels", partition, manifest.inputs["labels"])
        case Layout.END_MODEL:
            yield from (_made(graph, "labels", p, digest) for p, digest in manifest.facts["labels"].items())
            yield from (_made(graph, "partition", p, digest) for p, digest in manifest.facts["sources"].items())
            yield from _lfs(graph, manifest.facts)
        case Layout.EVALUATION:
            yield _made(graph, "end model", None, manifest.inputs["end model"])
        case Layout.REGISTRY:
            yield _made(graph, "end model", None, manifest.inputs["end_model"])
            if "evaluation" in manifest.inputs:
                yield _made(graph, "evaluation", None, manifest.inputs["evaluation"])
            # What replaced labels have forgotten, the version itself has on record.
            lineage = manifest.facts["lineage"]
            yield from _lfs(graph, lineage)
            yield from (_made(graph, "label model", None, digest) for digest in lineage["label_models"])
        case Layout.FEEDBACK_QUEUES:
            yield _made(graph, "label model", None, manifest.inputs["label_model"])
        case Layout.DECISIONS:
            yield _made(graph, "model version", None, manifest.inputs["version"])


def _members(store: Store, graph: Graph, state: Manifest) -> Iterator[str]:
    for partition, member in read_members(store, state).items():
        key = _made(graph, "votes", str(partition), member.votes)
        same = graph.meanings.get(key) in (None, state.inputs["lfs"])
        yield key if same else _votes_of_others(graph, str(partition), member.votes)


def _votes(graph: Graph, partition: str | None, digest: str, lfs: Mapping[str, str]) -> str:
    """Find the votes that labels were made from; the same votes, cast by other functions since, are not these."""
    key = _made(graph, "votes", partition, digest)
    cast_by = graph.voters.get(key)
    if cast_by is None or lfs.items() <= cast_by.items():
        return key
    return _votes_of_others(graph, partition or "", digest)


def _votes_of_others(graph: Graph, partition: str, digest: str) -> str:
    """Add votes of which today's labeling functions have cast the same."""
    short = digest[:SHORT]
    return graph.add(Node(f"votes {partition} {short} of other LFs", "votes", partition, {"digest": short}, False))


def _lfs(graph: Graph, facts: Mapping[str, Any]) -> Iterator[str]:
    """Labeling functions, of whatever versions, that the labels of a model were made from."""
    yield from (_lf(graph, name, fingerprint) for name, fingerprint in facts.get("lfs", {}).items())
    for name, fingerprints in facts.get("earlier_lfs", {}).items():
        yield from (_lf(graph, name, fingerprint) for fingerprint in fingerprints)


def _feedback(graph: Graph, manifest: Manifest) -> Iterator[str]:
    if "feedback" in manifest.inputs:
        yield _made(graph, "feedback", None, manifest.inputs["feedback"])


def _pasts(votes: Artefact, graph: Graph, past_tables: PastTables) -> Iterator[tuple[str, list[str]]]:
    """Yield the past that each stateful labeling function saw, with the aggregates it is merged from."""
    partition = votes.partition or ""
    for lf in votes.manifest.facts["lfs"]:
        digest = votes.manifest.inputs.get(f"past of {lf['name']}")
        if digest is not None:
            name = f"{lf['name']} on {partition}"
            folders = past_tables(partition, lf["name"], lf["fingerprint"])
            facts = {"digest": digest[:SHORT], **({"tables": GONE} if folders is None else {})}
            past = graph.add(Node(f"past of {name}", "past", name, facts))
            tables = (f"aggregate {folder.removeprefix(f'{Layout.AGGREGATES}/')}" for folder in folders or ())
            yield past, [table for table in tables if table in graph.nodes]


def _spec(artefact: Artefact) -> str:
    return artefact.folder.split("/")[1]


def _raw(graph: Graph, name: str, digest: str) -> str:
    key = graph.add(Node(f"raw file {name}", "raw file", name, {"sha256": digest[:SHORT]}))
    keys = graph.digests.setdefault(digest, [])
    if key not in keys:
        keys.append(key)
    return key


def _lf(graph: Graph, name: str, fingerprint: str) -> str:
    short = fingerprint[:SHORT]
    facts = {"fingerprint": short, "source": record_path(name, fingerprint)}
    key = graph.add(Node(f"LF {name} {short}", "LF", name, facts))
    graph.digests.setdefault(fingerprint, [key])
    return key


def _made(graph: Graph, kind: str, partition: str | None, digest: str) -> str:
    """Find the artefact of a digest; one that was replaced and not kept becomes a node that says so."""
    for key in graph.digests.get(digest, ()):
        node = graph.nodes[key]
        if node.kind == kind and partition in (None, node.name):
            return key
    name = f"{partition} " if partition else ""
    return graph.add(
        Node(f"{kind} {name}{digest[:SHORT]}", kind, partition or digest[:SHORT], {"digest": digest[:SHORT]}, False)
    )
