"""What the online end model learns from: each live label once, after the model was tested on it; and batch's labels."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from beambell.arrays import Floats, Integers
from beambell.live.folder import LiveFolder
from beambell.live.labeler import RAN
from beambell.live.online_model import OnlineModel
from beambell.stages.train import held_out, labelled_rows, measures, probabilities_of
from beambell.store import Layout, Partition, Store

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from beambell.project import Project

POINTER = "current.json"
_KEPT = 3
_SURE = 1e-15

_logger = logging.getLogger(__name__)


def online_folder(store: Store) -> LiveFolder:
    """Return the folder of the online end model."""
    return LiveFolder(store.files, f"{Layout.LIVE}/online_model")


@dataclass(frozen=True, eq=False)
class Lesson:
    """Covered rows of a micro-batch that the online model learns from.

    Attributes
    ----------
    offsets
        Offset of each row, int64 [n].
    ids
        Id of each row, n of them.
    features
        Hashed n-grams, float64 [n, d].
    proba
        Probability of each class, as the label model has it, float64 [n, K].
    """

    offsets: Integers
    ids: tuple[str, ...]
    features: csr_matrix
    proba: Floats

    def after(self, offset: int) -> Lesson:
        """Return the rest of it, from an offset on."""
        kept = self.offsets >= offset
        ids = tuple(name for name, is_kept in zip(self.ids, kept, strict=True) if is_kept)
        return Lesson(self.offsets[kept], ids, self.features[kept], self.proba[kept])


class Scores:
    """How the online model did on rows before it learnt from them ("test, then train").

    Parameters
    ----------
    classes
        Names of the K classes.
    window
        Number of rows of the newest figures.
    """

    def __init__(self, classes: Sequence[str], window: int) -> None:
        self._classes = classes
        self._table = np.zeros((len(classes), len(classes)), np.int64)  # label, and what was said
        self._recent: deque[tuple[bool, float]] = deque(maxlen=window)
        self._loss = 0.0
        self._answers = [0, 0]

    def add(self, said: Floats, proba: Floats) -> None:
        """Count rows: what was said of each, and the label model's probabilities, both float64 [n, K]."""
        labels, guesses = proba.argmax(axis=1), said.argmax(axis=1)
        np.add.at(self._table, (labels, guesses), 1)
        losses = -(proba * np.log(np.clip(said, _SURE, None))).sum(axis=1)
        self._loss += float(losses.sum())
        self._recent.extend(zip((labels == guesses).tolist(), losses.tolist(), strict=True))

    def add_answer(self, *, is_right: bool) -> None:
        """Count a row that people answered."""
        self._answers[0] += is_right
        self._answers[1] += 1

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values; shares are ``None`` where there is no row."""
        rows, recent = int(self._table.sum()), len(self._recent)
        of_class = self._table.sum(axis=1)
        return {
            "rows": rows,
            "accuracy": _share(int(np.trace(self._table)), rows),
            "log_loss": _share(self._loss, rows),
            "recent_rows": recent,
            "recent_accuracy": _share(sum(is_right for is_right, _ in self._recent), recent),
            "recent_log_loss": _share(sum(loss for _, loss in self._recent), recent),
            "recall": {name: _share(int(self._table[k, k]), int(of_class[k])) for k, name in enumerate(self._classes)},
            "answers": self._answers[1],
            "answers_right": self._answers[0],
        }


class Learner:
    """The online model of a running job; one for all streams.

    It begins with the newest published labels, people's answers included, and learns from those of a partition once
    more when batch has labelled it. It is published as a file every few seconds, and never promoted.

    Parameters
    ----------
    project
        Project whose labels are learnt from.
    """

    def __init__(self, project: Project) -> None:
        self._project, self._params = project, project.params.live.model
        self._folder = online_folder(project.store)
        self._taught: dict[Partition, str] = {}
        self._said: dict[tuple[str, str], int] = {}
        before = self._folder.read_json(POINTER)
        self._number = before["number"] if before else 0
        self._published_rows, self._published = -1, 0.0
        self.model = OnlineModel(project.params.cardinality, self._params.features)
        self.scores = Scores(project.params.classes, self._params.window)
        self.trouble = ""
        self._ran = LiveFolder(project.store.files, Layout.LIVE).read(RAN)
        with self._guarded("published labels cannot be learnt from"):
            self.teach()

    @contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        """Say what failed, and go on: no label depends on this model."""
        try:
            yield
            self.trouble = ""
        except Exception as error:
            self.trouble = f"online end model: {what}: {type(error).__name__}: {error}"
            _logger.warning("%s", self.trouble, exc_info=True)

    def teach(self) -> int:
        """Learn from published labels not learnt from before: of at most ``start_rows`` rows, the newest.

        Returns
        -------
        int
            Number of rows that were read.
        """
        store, params, left = self._project.store, self._project.params, self._params.start_rows
        new = []
        for folder, labels in store.under(Layout.LABELS).items():
            partition = Partition.from_folder(folder)
            if partition.stream in params.streams and self._taught.get(partition) != labels.id:
                new.append((partition, labels))
        new.sort(key=lambda one: (one[0].dt, one[0].stream), reverse=True)
        chosen: list[pa.Table] = []
        for partition, labels in new:
            self._taught[partition] = labels.id
            rows = store.read(Layout.of(Layout.PARTITIONS, partition))
            if rows is not None and left > 0:
                table = labelled_rows(self._project, partition, labels.files["labels"], rows)
                kept = ~(held_out(self._project, partition.stream, table["id"]) | measures(table))
                table = table.filter(pa.array(kept))
                chosen.append(table.slice(max(0, table.num_rows - left)))
                left -= chosen[-1].num_rows
        for table in reversed(chosen):  # the newest last
            proba, covered = probabilities_of(table, params.classes)
            self.model.learn(self.model.features(table["text"].filter(pa.array(covered))), proba[covered])
        return self._params.start_rows - left

    def look(self, ran: bytes | None) -> None:
        """Learn from what batch has labelled, if it has run since: what it says when it ran last is another."""
        if ran != self._ran:
            self._ran = ran
            with self._guarded("published labels cannot be learnt from"):
                self.teach()

    def learn(self, stream: str, lesson: Lesson, *, is_replayed: bool) -> None:
        """Test the model on rows, then learn from them; rows that were landed before are not tested on again."""
        with self._guarded("live labels cannot be learnt from"):
            said = self.model.learn(lesson.features, lesson.proba)
            if not is_replayed:
                self._score(stream, lesson, said)

    def _score(self, stream: str, lesson: Lesson, said: Floats) -> None:
        self.scores.add(said, lesson.proba)
        for name, guess in zip(lesson.ids, said.argmax(axis=1).tolist(), strict=True):
            self._said[stream, name] = guess
        while len(self._said) > self._project.params.live.recent_rows:
            del self._said[next(iter(self._said))]

    def answered(self, events: pa.Table) -> None:
        """Count what was said of rows that people answered since."""
        classes = self._project.params.classes
        for stream, name, label in zip(*(events[c].to_pylist() for c in ("stream", "row_id", "label")), strict=True):
            guess = self._said.pop((stream, name), None)
            if guess is not None and label in classes:
                self.scores.add_answer(is_right=classes[guess] == label)

    def publish(self, now: float) -> None:
        """Publish the model if it has learnt something since, and if it is time."""
        if now - self._published < self._params.publish_s or self.model.rows == self._published_rows:
            return
        self._published, self._published_rows = now, self.model.rows
        with self._guarded("it cannot be published"):
            self._publish(now)

    def _publish(self, now: float) -> None:
        self._number += 1
        name, data = f"{self._number:08d}.npz", self.model.to_bytes()
        self._folder.write(name, data)
        told = {"number": self._number, "file": name, "sha256": sha256(data).hexdigest(), "at": now, **self.status()}
        self._folder.write_json(POINTER, told)
        for old in self._folder.names(".npz")[:-_KEPT]:
            self._folder.remove(old)

    def status(self) -> dict[str, Any]:
        """Return the model's figures as plain JSON values."""
        return {"name": f"online-{self._number}", "learnt": self.model.rows, **self.scores.to_dict()}


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
