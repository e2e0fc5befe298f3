"""What end models say of live rows, beside their labels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from beambell.arrays import Floats
from beambell.live.labeler import LabelledBatch
from beambell.live.learner import POINTER, Lesson, online_folder
from beambell.live.online_model import OnlineModel
from beambell.model import holdout
from beambell.stages.train import held_out

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from beambell.project import Project


@dataclass(frozen=True, eq=False)
class Judged:
    """What end models say of a micro-batch of n rows.

    Attributes
    ----------
    proba
        Probability of each class, float64 [n, K], by the name of the model.
    lesson
        Covered rows that the online model learns from; ``None`` without any.
    """

    proba: Mapping[str, Floats] = field(default_factory=dict)
    lesson: Lesson | None = None


class Predictor:
    """What end models say of rows, beside their labels: the online model's last file, and the champion.

    Parameters
    ----------
    project
        Project whose end models are followed.
    """

    def __init__(self, project: Project) -> None:
        self._project, self._params = project, project.params.live.model
        self._folder = online_folder(project.store)
        self._looked = -np.inf
        self._online: OnlineModel = OnlineModel(project.params.cardinality, self._params.features)
        self._online_name: str | None = None
        self._champion: Any = None
        self._champion_name: str | None = None
        self.trouble = ""

    def judge(self, labelled: LabelledBatch) -> Judged:
        """Ask the end models about labelled rows; whatever fails there, the labels are good."""
        batch = labelled.source
        if not batch.rows.num_rows:
            return Judged()
        try:
            features = self._online.features(batch.rows["text"])
            return Judged(
                {} if batch.is_replayed else self._predict(batch.rows, features), self._lesson(labelled, features)
            )
        except Exception as error:  # noqa: BLE001 - they are shown beside the labels, and no part of them
            self.trouble = f"end models cannot judge live rows: {type(error).__name__}: {error}"
            return Judged()

    def _lesson(self, labelled: LabelledBatch, features: csr_matrix) -> Lesson:
        """Take the rows that may be learnt from: covered ones outside the holdout, or the share of them."""
        ids = labelled.source.rows["id"]
        kept = labelled.covered & ~held_out(self._project, labelled.source.stream, ids)
        if self._params.share < 1:
            kept &= holdout(ids.cast(pa.string()), self._params.share)
        at = np.flatnonzero(kept)
        names = tuple(ids.take(pa.array(at)).to_pylist())
        return Lesson(labelled.source.offsets[at], names, features[at], labelled.proba[at])

    def _predict(self, rows: pa.Table, features: csr_matrix) -> dict[str, Floats]:
        """Probability of each class, float64 [n, K], by the name of each model that is there."""
        self._look()
        found: dict[str, Floats] = {}
        if self._online_name is not None:
            found[self._online_name] = self._online.predict_proba(features)
        if self._champion_name is not None:
            try:
                found[self._champion_name] = self._champion.predict_proba(rows)
            except Exception as error:  # noqa: BLE001 - a model of other fields than these rows have
                self.trouble = f"{self._champion_name} cannot judge live rows: {type(error).__name__}: {error}"
        return found

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < self._params.publish_s:
            return
        self._looked, self.trouble = now, ""
        try:
            self._look_for_online()
            self._look_for_champion()
        except Exception as error:  # noqa: BLE001 - labels go on, and so do the models of before
            self.trouble = f"an end model cannot be read: {type(error).__name__}: {error}"

    def _look_for_online(self) -> None:
        told = self._folder.read_json(POINTER)
        if told is None or told["name"] == self._online_name:
            return
        data = self._folder.read(told["file"])
        if data is not None and sha256(data).hexdigest() == told["sha256"]:  # else there is a newer one already
            self._online, self._online_name = OnlineModel.from_bytes(data, told["file"]), told["name"]

    def _look_for_champion(self) -> None:
        from beambell.registry import champion
        from beambell.registry.served import served_model

        version = champion(self._project, self._project.params.model.name)
        name = None if version is None else version.name
        if name != self._champion_name:
            self._champion = None if version is None else served_model(self._project, version.name)
            self._champion_name = name
