"""Labels that are said again: those of rows that people answered, and of recent rows with the same votes.

An answer changes the label of its own row at once. It changes what the votes of that row mean with the next fit; then
recent rows with the same votes whose label moves by it are said again. For each id, the last label counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beambell.arrays import NO_CLASS, Packed
from beambell.feedback.consensus import find_consensus
from beambell.live.folder import LiveFolder
from beambell.live.keeper import Keeper
from beambell.live.labeler import Labeler
from beambell.live.recent import RecentRow
from beambell.project import Project
from beambell.store import Layout, Store

if TYPE_CHECKING:
    from beambell.live.kafka import KafkaSink

Key = tuple[str, str]


def corrections_folder(store: Store, stream: str) -> LiveFolder:
    """Return the folder of a stream's labels that were said again."""
    return LiveFolder(store.files, f"{Layout.LIVE}/{stream}/corrections")


def read_corrections(store: Store, stream: str) -> Iterator[dict[str, Any]]:
    """Yield the labels of a stream that were said again, in the order in which they were."""
    folder = corrections_folder(store, stream)
    for name in folder.names(".jsonl"):
        for line in (folder.read(name) or b"").splitlines():
            yield json.loads(line)


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said again of a row: the name of its class, and whether people say so."""

    row: RecentRow
    label: str | None
    by_people: bool


class Corrections:
    """Labels of a running job that are said again.

    Parameters
    ----------
    project
        Project whose rows are labelled.
    labeler
        Labeler of the same process.
    outlet
        Kafka topic that labels go to, too; ``None`` if there is none.

    Attributes
    ----------
    said
        Number of labels that were said again.
    elsewhere
        Number of rows with an answer that are not among the recent ones: batch gives them their label.
    """

    def __init__(self, project: Project, labeler: Labeler, outlet: KafkaSink | None = None) -> None:
        self.said = self.elsewhere = 0
        self._project, self._labeler, self._outlet = project, labeler, outlet
        self._classes = list(project.params.classes)
        self._folders = {stream: corrections_folder(project.store, stream) for stream in project.params.live.streams}
        self._numbers = {stream: _next_number(folder) for stream, folder in self._folders.items()}
        self._answers = {stream: self._known(stream) for stream in self._folders}
        self._meaning: dict[bytes, str | None] = {}
        self._model = ""

    def answered(self, keeper: Keeper) -> None:
        """Say the labels of rows again whose answers are not those that were said last."""
        rows = find_consensus(keeper.events, self._classes, self._project.params.feedback).rows
        again: list[_Said] = []
        self.elsewhere = 0
        for stream, name, label in zip(*(rows[c].to_pylist() for c in ("stream", "row_id", "label")), strict=True):
            row = keeper.recent.find(stream, name)
            if row is None or stream not in self._answers:
                self.elsewhere += 1
                continue
            known = self._answers[stream]
            if label is not None:
                if known.get(name) != label:
                    known[name] = label
                    again.append(_Said(row, label, True))
                if row.pattern not in self._meaning:
                    self._meaning.update(self._mean([row.pattern]))
            elif known.pop(name, None) is not None:  # taken back: the votes count again
                again.append(_Said(row, self._mean([row.pattern])[row.pattern], False))
        self._say(again)

    def refitted(self, keeper: Keeper) -> None:
        """Say the labels of recent rows again whose votes mean another class since the last look.

        Only votes of rows that people answered are looked at: what new rows alone change is left to batch.
        """
        if not self._meaning or (model := self._labeler.model) == self._model:
            return
        self._model = model
        now = self._mean(self._meaning)
        moved = {pattern for pattern, label in now.items() if self._meaning[pattern] != label}
        self._meaning = now
        if moved:
            rows = (row for row in keeper.recent.with_patterns(moved) if row.id not in self._answers[row.stream])
            self._say(_Said(row, now[row.pattern], False) for row in rows)

    def _mean(self, patterns: Iterable[bytes]) -> dict[bytes, str | None]:
        """Return the name of the class that each pattern stands for now; ``None`` for none."""
        some = list(patterns)
        _, labels, _ = self._labeler.relabel(_as_rows(some))
        names = (self._classes[label] if label > NO_CLASS else None for label in labels.tolist())
        return dict(zip(some, names, strict=True))

    def _say(self, again: Iterable[_Said]) -> None:
        lines: dict[str, list[tuple[str, bytes]]] = {}
        for one in again:
            lines.setdefault(one.row.stream, []).append((one.row.id, self._spell(one)))
        for stream, said in lines.items():
            data = b"".join(line + b"\n" for _, line in said)
            self._folders[stream].write(f"{self._numbers[stream]:012d}.jsonl", data)
            self._numbers[stream] += 1
            self.said += len(said)
            if self._outlet is not None:
                self._outlet.send(said)

    def _spell(self, said: _Said) -> bytes:
        proba, _, version = self._labeler.relabel(_as_rows([said.row.pattern]))
        p: Mapping[str, float] = dict(zip(self._classes, proba[0].round(6).tolist(), strict=True))
        document = {
            "id": said.row.id,
            "stream": said.row.stream,
            "dt": said.row.dt,
            "label": said.label,
            "p": {name: float(name == said.label) for name in self._classes} if said.by_people else p,
            "source": "feedback" if said.by_people else "votes",
            "pattern": said.row.pattern.hex(),
            "model": version.name,
            "lfs": self._labeler.lfs[:16],
            "labelled": time.time_ns() // 1_000_000,
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    def _known(self, stream: str) -> dict[str, str]:
        """Return the answers that an earlier run of the job has said, by id."""
        known: dict[str, str] = {}
        for told in read_corrections(self._project.store, stream):
            if told["source"] == "feedback":
                known[told["id"]] = told["label"]
            else:
                known.pop(told["id"], None)
        return known


def _as_rows(patterns: list[bytes]) -> Packed:
    return np.frombuffer(b"".join(patterns), np.uint8).reshape(len(patterns), -1)


def _next_number(folder: LiveFolder) -> int:
    names = folder.names(".jsonl")
    return int(names[-1].removesuffix(".jsonl")) + 1 if names else 0
