"""Lineage on a terminal: two trees, and for a label its row, votes and what people said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.tree import Tree

from beambell.artefacts.graph import Node
from beambell.feedback.events import Verdict
from beambell.views.lineage import LabelView, Lineage
from beambell.visible import plain

SHOWN = 8


def lineage_text(lineage: Lineage) -> Iterator[Tree | str]:
    """Draw two trees; what was drawn once is not drawn again."""
    if lineage.label:
        yield _label_text(lineage.label)
    for title, edges in (("made from", lineage.made_from), ("made with it", lineage.made_with)):
        yield _tree(lineage, title, edges)


def _said(event: Mapping[str, str]) -> str:
    match event["verdict"]:
        case Verdict.LABEL:
            return event["label"]
        case Verdict.NOT_LABEL:
            return f"not {event['label']}"
        case verdict:
            return " ".join([verdict, *([event["lf"]] if "lf" in event else [])])


def _label_text(label: LabelView) -> str:
    votes = ", ".join(f"{name}: {vote}" for name, vote in label.votes.items()) or "none"
    answers = "".join(f"\n  {event['reviewer']}, {event['time']}: {_said(event)}" for event in label.events)
    return plain(
        f"row {label.id} ({label.file}:{label.line}) is labelled {label.label} by {label.source}; votes: {votes}; "
        f"feedback: {label.feedback}{answers}"
    )


def _tree(lineage: Lineage, title: str, edges: Mapping[str, list[str]]) -> Tree:
    tree = Tree(f"{_line(lineage.nodes[lineage.subject])}: {title}")
    drawn = {lineage.subject}

    def grow(branch: Tree, key: str) -> None:
        by_kind: dict[str, list[str]] = {}
        for other in edges.get(key, ()):
            by_kind.setdefault(lineage.nodes[other].kind, []).append(other)
        for kind, keys in by_kind.items():
            if len(keys) > 1 and all(other in drawn and other not in edges for other in keys):
                branch.add(f"[dim]the same {len(keys)} of kind {kind} as above[/]")
                continue
            for other in keys[:SHOWN]:
                again = other in drawn and other in edges
                twig = branch.add(_line(lineage.nodes[other]) + (" [dim](above)[/]" if again else ""))
                if other not in drawn:
                    drawn.add(other)
                    grow(twig, other)
            drawn.update(key for key in keys if key not in edges)
            if len(keys) > SHOWN:
                branch.add(f"[dim]and {len(keys) - SHOWN} more of kind {kind} (see --json)[/]")

    grow(tree, lineage.subject)
    if not edges.get(lineage.subject):
        tree.add("[dim]nothing[/]")
    return tree


def _line(node: Node) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in node.facts.items() if value != node.name)
    replaced = "" if node.current else " [yellow](replaced)[/]"
    return f"[bold]{node.kind}[/] {plain(node.name)} [dim]{plain(facts)}[/]{replaced}"
