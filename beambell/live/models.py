"""Label models of a running job: each fit is a numbered file, and one small file says which is in force."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from beambell import label_model
from beambell.arrays import Floats, Integers, Mask, Packed
from beambell.artefacts.kinds.labels import LabelModel as FittedLabelModel
from beambell.errors import LiveError
from beambell.label_model import LabelModel
from beambell.live.folder import LiveFolder
from beambell.project import Project
from beambell.stages.posteriors import hard_labels
from beambell.state import patterns as packed
from beambell.store import Layout, Store
from beambell.store.arrays import pack_arrays, unpack_arrays

POINTER = "current.json"
_KEPT = 5
_SHORT = 8


@dataclass(frozen=True)
class Version:
    """One label model of a live job.

    Attributes
    ----------
    number
        Number of the fit; 0 is the model that batch fitted.
    base
        Id of the manifest of the batch label model that was in force when it was fitted.
    kind
        Kind of label model.
    lfs
        Names of the labeling functions that it listens to.
    rows, patterns
        Number of rows and of distinct patterns that it was fitted to.
    feedback
        Number of people's labels that it was fitted to.
    fitted
        Time of the fit, seconds since 1970.
    seconds
        Time that the fit took.
    """

    number: int
    base: str
    kind: str
    lfs: tuple[str, ...]
    rows: int
    patterns: int
    feedback: int = 0
    fitted: float = 0.0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Name that labels carry: ``batch@1a2b3c4d`` or ``live-12@1a2b3c4d``."""
        which = f"live-{self.number}" if self.number else "batch"
        return f"{which}@{self.base[:_SHORT]}"

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """Read back what `to_dict` gave."""
        return cls(**{**told, "lfs": tuple(told["lfs"])})

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "lfs": list(self.lfs)}


def models_folder(store: Store) -> LiveFolder:
    """Return the folder of live label models."""
    return LiveFolder(store.files, f"{Layout.LIVE}/label_models")


def current(store: Store) -> Version | None:
    """Return the live version that was published last; ``None`` if there is none."""
    told = models_folder(store).read_json(POINTER)
    return None if told is None else Version.from_dict(told)


def publish(store: Store, version: Version, model: LabelModel) -> None:
    """Publish a fit: its arrays first, then the file that says that it is in force."""
    folder = models_folder(store)
    folder.write(f"{version.number:08d}.npz", pack_arrays(model.params()))
    folder.write_json(f"{version.number:08d}.json", model.config())
    folder.write_json(POINTER, version.to_dict())
    for name in folder.names(".npz")[:-_KEPT]:
        folder.remove(name)
        folder.remove(name.replace(".npz", ".json"))


class Lookup:
    """A label model as a lookup from packed patterns: each distinct one is asked for once.

    Parameters
    ----------
    version
        Version that labels carry.
    model
        Fitted label model.
    voting
        Names of all labeling functions that vote, in the order of the patterns' digits.
    """

    def __init__(self, version: Version, model: LabelModel, voting: tuple[str, ...], cardinality: int) -> None:
        self.version = version
        self._model, self._voting, self._cardinality = model, voting, cardinality
        self._kept = [voting.index(name) for name in version.lfs]
        self._known: dict[bytes, int] = {}
        self._proba = np.empty((0, cardinality))
        self._covered = np.empty(0, bool)

    def of(self, codes: Packed) -> tuple[Floats, Integers, Mask]:
        """Return probabilities [n, K], labels [n], -1 without one, and which rows have a vote that counts [n].

        Parameters
        ----------
        codes
            Packed patterns of all labeling functions, uint8 [n, width].
        """
        distinct, inverse, _ = packed.unique(codes)
        names = [code.tobytes() for code in distinct]
        new = [i for i, name in enumerate(names) if name not in self._known]
        if new:
            votes = packed.unpack(distinct[new], len(self._voting), self._cardinality)[:, self._kept]
            for i in new:
                self._known[names[i]] = len(self._known)
            self._proba = np.concatenate([self._proba, self._model.posterior(votes)])
            self._covered = np.concatenate([self._covered, (votes >= 0).any(axis=1)])
        at = np.array([self._known[name] for name in names], np.int64)[inverse]
        proba, covered = self._proba[at], self._covered[at]
        return proba, hard_labels(proba, covered).astype(np.int64), covered


class LabelModels:
    """The label model in force, looked for again every so often.

    A live fit counts as long as it was fitted on top of the batch label model of now: when batch publishes a newer
    one, that is in force until the next fit.

    Parameters
    ----------
    project
        Project whose label models are followed.
    voting
        Names of the labeling functions that vote, in the order of the patterns' digits.
    every_s
        Seconds between two looks.
    """

    def __init__(self, project: Project, voting: tuple[str, ...], every_s: float) -> None:
        self._project, self._voting, self._every_s = project, voting, every_s
        self._looked = -every_s
        self._lookup: Lookup | None = None
        self.error = ""

    def get(self) -> Lookup:
        """Return the lookup of the model in force; the one before, as long as a new one cannot be read.

        Raises
        ------
        LiveError
            If there never was one.
        """
        now = time.monotonic()
        if self._lookup is None or now - self._looked >= self._every_s:
            self._looked = now
            try:
                self._look()
                self.error = ""
            except Exception as error:  # noqa: BLE001 - whatever happened to it, labels go on with the one before
                self.error = f"{type(error).__name__}: {error}"
        if self._lookup is None:
            raise LiveError(
                f"there is no label model to begin with ({self.error or 'nothing was fitted yet'})",
                where=self._project.store.files.path(Layout.LABEL_MODEL),
                fix="run `beambell run` on some partitions first, so that there is one",
            )
        return self._lookup

    def _look(self) -> None:
        store = self._project.store
        batch = store.read(Layout.LABEL_MODEL)
        if batch is None:
            if self._lookup is None:
                return
            raise LiveError("the label model is gone", where=store.files.path(Layout.LABEL_MODEL))
        live = current(store)
        if live is not None and live.base != batch.id:
            live = None
        wanted = live.name if live else f"batch@{batch.id[:_SHORT]}"
        if self._lookup is not None and self._lookup.version.name == wanted:
            return
        version = live or batch_version(self._project)
        if unknown := sorted(set(version.lfs) - set(self._voting)):
            raise LiveError(
                f"the label model listens to {unknown[0]!r}, which this job does not run",
                fix="run `beambell live restart`: it loads today's labeling functions",
            )
        model = restore(self._project, live) if live else self._project.label_model()
        self._lookup = Lookup(version, model, self._voting, self._project.params.cardinality)


def batch_version(project: Project) -> Version:
    """Describe the label model that batch fitted last.

    Raises
    ------
    ArtefactError
        If there is none.
    """
    manifest = project.store.require(Layout.LABEL_MODEL, "run `beambell fit`")
    fitted = FittedLabelModel.of(manifest)
    figures = fitted.figures
    return Version(
        0, manifest.id, fitted.kind, tuple(fitted.lfs), figures["rows"], figures["patterns"], figures.get("feedback", 0)
    )


def restore(project: Project, version: Version) -> LabelModel:
    """Read a live label model.

    Raises
    ------
    LiveError
        If its files are gone.
    """
    folder = models_folder(project.store)
    config, params = (folder.read(f"{version.number:08d}{suffix}") for suffix in (".json", ".npz"))
    if config is None or params is None:
        raise LiveError("the files of a live label model are gone", where=folder.path(f"{version.number:08d}.npz"))
    project.register_label_models(version.kind)
    arrays = unpack_arrays(params, folder.path(f"{version.number:08d}.npz"))
    return label_model.restore(version.kind, json.loads(config), arrays)
