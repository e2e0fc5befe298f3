"""Aggregate, the driver's side: which tables by key are missing or stale.

Stateful labeling functions vote by the history of a row's key. It is kept as one table for each partition, and one for
each node of the roll-up above them (`beambell.history.rollup`). Without such functions there is nothing to do.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from beambell.history.aggregates import counted, merge_sorted
from beambell.history.rollup import Node, Paned, Part, first_day
from beambell.history.tables import AggregateTables, open_aggregates
from beambell.labeling.stateful import Pane, StatefulFunction
from beambell.project import Project
from beambell.stages.stage import Plan, Task, staleness
from beambell.store import FileRef, Partition, Selection

STAGE = "aggregate"


@dataclass(frozen=True)
class PartitionWork:
    """Tables that one partition lacks.

    Attributes
    ----------
    partition, rows
        Partition that lacks them, and the file of its records.
    tables
        Ids of the aggregates, each with the length of the panes if the table is by pane.
    reason
        Reason of the work, for people.
    """

    partition: Partition
    rows: FileRef
    tables: tuple[tuple[str, Pane | None], ...]
    reason: str


@dataclass(frozen=True)
class AggregateWork:
    """What is to be done.

    Attributes
    ----------
    partitions
        Tables of partitions.
    nodes
        Nodes of the roll-up, with the id of their aggregate; children before their parents.
    current
        Tables that are up to date.
    superfluous
        Folders of nodes whose days were withdrawn.
    """

    partitions: tuple[PartitionWork, ...]
    nodes: tuple[tuple[str, Node], ...]
    current: int
    superfluous: tuple[str, ...] = ()


def plan(project: Project, selection: Selection) -> Plan[AggregateWork]:
    """Say which tables would be made, and why."""
    work = find_work(project, selection)
    tasks = [Task(str(item.partition), item.reason) for item in work.partitions]
    names = {id_: "+".join(spec.key_fields) for id_, spec in project.catalogue.aggregates.items()}
    tasks += [Task(f"{id_}/{node.folder}", f"days by {names[id_]} are summed") for id_, node in work.nodes]
    tasks += [Task(folder, "its days were withdrawn") for folder in work.superfluous]
    return Plan(STAGE, tuple(tasks), work.current, work=work)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    panes = sorted({(lf.spec.id, lf.pane) for lf in project.catalogue if isinstance(lf, StatefulFunction) and lf.pane})
    by_pane = {"panes": [list(table) for table in panes]} if panes else {}
    return {"aggregates": sorted(project.catalogue.aggregates), **by_pane, **project.params.names()}


def find_work(project: Project, selection: Selection) -> AggregateWork:
    """Compare the tables there are with the records, answers and labeling functions there are.

    The history of a partition reaches back to the first one, over all streams: of a selection only the end counts. What
    is seen of the day itself may lie in any of its hours: there the end is that of a day.
    """
    until = Selection(end=selection.end)
    until_day = Selection(end=selection.end and selection.end[: len("2026-01-03")])
    lacking: dict[Partition, list[tuple[AggregateTables, Partition | Paned]]] = {}
    nodes: list[tuple[str, Node]] = []
    superfluous: list[str] = []
    current = 0
    for id_, tables in open_aggregates(project.store, project.params, project.catalogue).items():
        superfluous += tables.superfluous()
        partitions = [partition for partition in tables.rows if until.has_dt(partition.dt)]
        stale: set[Part] = set()
        for partition in partitions:
            if tables.ref(partition) is None:
                stale.add(partition)
                lacking.setdefault(partition, []).append((tables, partition))
        end = max((first_day(partition.dt) for partition in partitions), default=0)
        for node in tables.roll_up.nodes(end):
            if tables.ref(node) is None:
                stale.add(node)
                nodes.append((id_, node))
            else:
                current += 1
        current += len(partitions) - len(stale & set(partitions))
        for paned in tables.paned():
            if not until_day.has_dt(paned.partition.dt):
                continue
            if tables.ref(paned):
                current += 1
            else:
                lacking.setdefault(paned.partition, []).append((tables, paned))
    work = [_partition_work(partition, several) for partition, several in sorted(lacking.items())]
    return AggregateWork(tuple(work), tuple(nodes), current, tuple(superfluous))


def _partition_work(partition: Partition, lacking: list[tuple[AggregateTables, Partition | Paned]]) -> PartitionWork:
    reasons = dict.fromkeys(_reason(tables, part) for tables, part in lacking)
    wanted = tuple((tables.spec.id, part.pane if isinstance(part, Paned) else None) for tables, part in lacking)
    return PartitionWork(partition, lacking[0][0].rows[partition], wanted, ", ".join(reasons))


def _reason(tables: AggregateTables, part: Partition | Paned) -> str:
    reason = staleness(tables.manifest(part), tables.inputs(part) or {}) or "new"
    pane = [part.pane] if isinstance(part, Paned) else []
    return f"{reason} by {'+'.join([*tables.spec.key_fields, *pane])}"


def build_roll_up(project: Project, work: AggregateWork) -> None:
    """Make the stale nodes from the bottom to the top, those of a level side by side; take superfluous ones back."""
    opened = open_aggregates(project.store, project.params, project.catalogue) if work.nodes else {}

    def build(item: tuple[str, Node]) -> None:
        id_, node = item
        tables = opened[id_]
        parts = [map(counted, tables.pieces(child)) for child in tables.roll_up.children(node)]
        tables.publish(node, merge_sorted(tables.spec.aggregate, parts, days=node.level > 0))

    by_level = sorted(work.nodes, key=lambda item: (item[1].level, item))
    with ThreadPoolExecutor(max(project.params.beam.workers, project.store.files.at_once)) as pool:
        for _, level in groupby(by_level, key=lambda item: item[1].level):
            list(pool.map(build, level))
    for folder in work.superfluous:
        project.store.withdraw(folder)
