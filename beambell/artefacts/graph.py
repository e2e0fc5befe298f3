"""A graph of what was made from what, which is walked both ways. It knows no kinds of artefact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from beambell.artefacts.lf_records import record_path

SHORT: Final = 16
"""Number of digits by which people know a digest."""
FEWEST = 8  # digits that stand for a digest


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
