"""A project: its parameters, its labeling functions, its artefacts. The way in for a notebook."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import pyarrow as pa

from beambell.artefacts.kind import HOMES
from beambell.artefacts.kinds.labels import LabelModel as FittedLabelModel
from beambell.artefacts.kinds.votes import Votes
from beambell.config import Params, load_params
from beambell.errors import ConfigError, UsageError
from beambell.labeling.apart import Voters
from beambell.labeling.catalogue import Catalogue
from beambell.labeling.collection import no_votes_for, voteless
from beambell.labeling.core import check_labels, check_streams
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.labeling.voter import Source
from beambell.records import as_seen
from beambell.state import patterns as packed
from beambell.store import Layout, Manifest, Partition, Selection, Store, write_lock
from beambell.store.arrays import unpack_arrays
from beambell.store.former import move_labels
from beambell.store.partition import parse_dt
from beambell.store.tables import read_table
from beambell.store.version import check_version

if TYPE_CHECKING:
    import pandas as pd

    from beambell.artefacts.label_dataset import LabelDataset
    from beambell.label_model import LabelModel
    from beambell.registry.served import ServedModel
    from beambell.state import PatternCounts

Form = Literal["pandas", "arrow"]


class Project:
    """A folder with a ``params.yaml``, and everything made from it.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    ConfigError
        If its ``params.yaml`` is missing or wrong, or a newer BeamBell wrote to its data root.

    Examples
    --------
    >>> p = Project(".")  # doctest: +SKIP
    >>> p.votes("comments", "2026-01-03")  # doctest: +SKIP
    """

    def __init__(self, path: str | Path = ".") -> None:
        self.path = Path(path).resolve()
        self.params: Params = load_params(self.path)
        data = self.params.data
        if "://" not in data and (self.path / data).exists() and not (self.path / data).is_dir():
            raise ConfigError(
                f"{data!r} is no folder",
                where="data in params.yaml",
                fix="name the folder of what is made, or a new one",
            )
        self.store = Store(data if "://" in data else str(self.path / data), memory=self.volatile, homes=HOMES)
        self._depth = 0
        if self.store.files.is_local:  # elsewhere it would be a request for each command; there, writers ask
            check_version(self.store.files)

    def __repr__(self) -> str:
        return f"Project({self.params.project!r})"

    @property
    def volatile(self) -> Path:
        """Folder of locks, logs and caches: safe to delete, never an artefact."""
        return self.path / ".beambell"

    @cached_property
    def catalogue(self) -> Catalogue:
        """The labeling functions of ``lfs.modules`` and ``lfs.files``, by name.

        Raises
        ------
        CatalogueError, LabelingFunctionError
            If one cannot be loaded, votes for what is no class, or on no stream.
        """
        lfs = self.params.lfs
        catalogue = Catalogue.load(lfs.modules, files=lfs.files, classes=self.params.classes, root=self.path)
        check_labels(catalogue, self.params.cardinality)
        check_streams(catalogue, self.params.streams)
        return catalogue

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of the labeling functions, such as of one that votes twice or never: sentences."""
        return (*self.catalogue.remarks, *(no_votes_for(name) for name in self.voteless_classes))

    @cached_property
    def voteless_classes(self) -> tuple[str, ...]:
        """Classes that no labeling function votes for; of one that declares no label, it is not known beforehand."""
        return tuple(voteless(self.catalogue, self.params.classes))

    def voters(self) -> Voters:
        """Processes for labeling functions in Python to vote in; to be closed by whoever asks for them."""
        lfs = self.params.lfs
        return Voters(Source(tuple(lfs.modules), tuple(lfs.files), self.params.classes, self.path))

    @contextmanager
    def writing(self, *, timeout: float = 600.0, sweep: bool = True) -> Iterator[None]:
        """Be the only writer; what a killed writer left half-written is swept away first.

        Parameters
        ----------
        timeout
            Seconds to wait for another writer.
        sweep
            Whether to sweep; whoever only looks leaves that to others.
        """
        if self._depth:
            yield
            return
        shared = self.params.lock == "shared"
        with (
            write_lock(self.volatile, timeout=timeout),
            self.store.files.leased(timeout=timeout) if shared else nullcontext(),
        ):
            self._depth += 1
            try:
                if sweep:
                    self.store.files.remove_tree(Layout.STAGING)
                    check_version(self.store.files)
                    move_labels(self.store)
                yield
            finally:
                self._depth -= 1
                if sweep:
                    self.store.files.remove_tree(Layout.STAGING)

    def select(
        self, streams: Iterable[str] | None = None, start: str | None = None, end: str | None = None
    ) -> Selection:
        """Select partitions by stream and date, both checked.

        Raises
        ------
        UsageError
            For a stream that ``params.yaml`` does not name, or a malformed date.
        """
        names = frozenset(streams or ())
        if unknown := sorted(names - set(self.params.streams)):
            raise UsageError(
                f"there is no stream {unknown[0]!r}",
                where="--stream",
                fix=f"params.yaml has {', '.join(sorted(self.params.streams))}",
            )
        return Selection(names, start, end)

    def partition(self, stream: str, dt: str) -> Partition:
        """Name one partition, with stream and date checked against ``params.yaml``."""
        self.select([stream])
        parse_dt(dt, self.params.streams[stream].grain)
        return Partition(stream, dt)

    # -- what a person looks at ------------------------------------------------------------------------------

    def rows(self, stream: str, dt: str, form: Form = "pandas") -> pd.DataFrame | pa.Table:
        """Records of a partition: ``id``, ``ts``, text and fields, and the file and line they came from.

        They are as labeling functions see them: the text is there as ``text``, too, if its column is called otherwise.
        """
        rows = self._table(Layout.PARTITIONS, "rows", stream, dt)
        params = self.params.streams.get(stream)
        return _as(form, rows if params is None else as_seen(rows, params))

    def votes(self, stream: str, dt: str, form: Form = "pandas") -> pd.DataFrame | pa.Table:
        """Votes of a partition: ``id``, then one int8 column per LF, -1 where it abstained."""
        manifest, table = self._read(Layout.VOTES, "votes", stream, dt)
        cast = Votes.of(manifest)
        lfs = list(cast.fingerprints)
        codes = packed.from_arrow(table["pattern"])
        L = packed.unpack(codes, len(lfs), cast.cardinality)
        columns = {"id": table["id"]} | {name: pa.array(L[:, j]) for j, name in enumerate(lfs)}
        return _as(form, pa.table(columns))

    @overload
    def labels(self, stream: str, dt: str, form: Form = ...) -> pd.DataFrame | pa.Table: ...

    @overload
    def labels(self, stream: str | None = ..., *, from_: str | None = ..., to: str | None = ...) -> LabelDataset: ...

    def labels(
        self,
        stream: str | None = None,
        dt: str | None = None,
        form: Form = "pandas",
        *,
        from_: str | None = None,
        to: str | None = None,
    ) -> pd.DataFrame | pa.Table | LabelDataset:
        """Published labels: of one partition as a table, of several as a lazy one.

        Parameters
        ----------
        stream
            Name of the stream; ``None`` for all.
        dt
            Date of the only partition, whose labels are read at once; ``None`` for all from ``from_`` to ``to``.
        form
            Form of the labels of one partition: ``pandas`` or ``arrow``.
        from_, to
            First and last partition, both included; ``None`` for no bound.

        Returns
        -------
        DataFrame, Table or LabelDataset
            Labels: ``id``, ``label`` (-1 unlabelled), probabilities, and what they rest on. A `LabelDataset` is an
            Arrow dataset with ``stream`` and ``dt`` besides, and with ``to_pandas()``.

        Raises
        ------
        UsageError
            For an unknown stream, a malformed date, or a date together with a range.
        """
        if dt is None:
            return self._label_dataset(self.select([stream] if stream else None, from_, to))
        if stream is None or from_ or to:
            raise UsageError(
                f"labels({dt=}) is of one partition", fix="name its stream, too; or a range by from_= and to= instead"
            )
        return _as(form, self._table(Layout.LABELS, "labels", stream, dt))

    def _label_dataset(self, selection: Selection) -> LabelDataset:
        from beambell.artefacts.label_dataset import label_dataset

        published = self.store.partitions(Layout.LABELS)
        selected = {p: m for p, m in published.items() if p in selection and p.stream in self.params.streams}
        return label_dataset(self.store, selected, self.params.classes)

    def predictions(self, stream: str, dt: str, form: Form = "pandas") -> pd.DataFrame | pa.Table:
        """What the champion says of a partition's rows: ``id``, ``label`` and probabilities; see `beambell predict`."""
        folder = Layout.of(Layout.PREDICTIONS, self.partition(stream, dt))
        manifest = self.store.require(folder, f"run `beambell predict --stream {stream} --from {dt} --to {dt}`")
        return _as(form, read_table(self.store, folder, manifest.files["predictions"]))

    def feedback(self, form: Form = "pandas") -> pd.DataFrame | pa.Table:
        """What people said, one row per reviewed row: consensus, reviewers and their agreement, what it is for."""
        manifest = self.store.require(Layout.FEEDBACK, "run `beambell feedback sync`")
        table = read_table(self.store, Layout.FEEDBACK, manifest.files["rows"])
        return _as(form, table.drop_columns([name for name in table.column_names if name == "pattern"]))

    def dead_letters(self, stream: str, dt: str, form: Form = "pandas") -> pd.DataFrame | pa.Table:
        """Votes that failed in a partition: row, LF, exception; tracebacks once per distinct error. May be empty."""
        manifest = self._manifest(Layout.VOTES, stream, dt)
        failed = "dead_letters" in manifest.files
        table = self._table(Layout.VOTES, "dead_letters", stream, dt) if failed else DEAD_LETTERS_SCHEMA.empty_table()
        return _as(form, table)

    def pattern_counts(self, stream: str, dt: str) -> PatternCounts:
        """Pattern counts of one partition."""
        from beambell.state import PatternCounts

        return PatternCounts.from_table(self._table(Layout.VOTES, "patterns", stream, dt))

    def state(self, stream: str | None = None, at: str | None = None) -> PatternCounts:
        """Pattern counts of all partitions, or those of a stream, as the policy weighs them.

        Parameters
        ----------
        stream
            Name of the only stream whose patterns are counted; ``None`` for all.
        at
            Id of a state of the past, or its number in `beambell state log`.
        """
        from beambell.artefacts.stored import find_state, read_counts

        return read_counts(self.store, find_state(self.store, at), stream).counts()

    @cached_property
    def weighing_lfs(self) -> tuple[str, ...]:
        """Names of the labeling functions that label models listen to: all but those in ``lfs.shadow``.

        Raises
        ------
        ConfigError
            If ``lfs.shadow`` names a labeling function that does not exist.
        """
        shadow = self.params.lfs.shadow
        if unknown := sorted(set(shadow) - set(self.catalogue.names)):
            raise ConfigError(f"there is no labeling function {unknown[0]!r}", where="lfs.shadow")
        return tuple(name for name in self.catalogue.names if name not in shadow)

    def label_model(self) -> LabelModel:
        """The label model fitted last."""
        from beambell import label_model

        manifest = self.store.require(Layout.LABEL_MODEL, "run `beambell fit`")
        config, params = (self.store.get(Layout.LABEL_MODEL, manifest.files[role]) for role in ("config", "params"))
        where = self.store.files.path(Layout.LABEL_MODEL)
        kind = FittedLabelModel.of(manifest).kind
        self.register_label_models(kind)
        return label_model.restore(kind, json.loads(config), unpack_arrays(params, where))

    def model(self, name: str = "champion") -> ServedModel:
        """A registered end model, ready to predict.

        Parameters
        ----------
        name
            Name of the version, as ``spam@v3`` or ``v3``; ``champion`` for the one that is served, ``newest`` for that
            which was registered last.

        Examples
        --------
        >>> Project(".").model().predict_proba(["win a prize"])  # doctest: +SKIP
        """
        from beambell.registry.served import served_model

        return served_model(self, name)

    def register_label_models(self, kind: str) -> None:
        """Import the modules of ``lfs.modules``, if that kind of label model is not known yet: it may be there."""
        from beambell import label_model

        if kind not in label_model.kinds():
            _ = self.catalogue

    def register_models(self, kind: str) -> None:
        """Import the modules of ``lfs.modules``, if that kind of end model is not known yet: it may be there."""
        from beambell import model

        if kind not in model.kinds():
            _ = self.catalogue

    # -- helpers ---------------------------------------------------------------------------------------------

    def _table(self, kind: str, role: str, stream: str, dt: str) -> pa.Table:
        return self._read(kind, role, stream, dt)[1]

    def _read(self, kind: str, role: str, stream: str, dt: str) -> tuple[Manifest, pa.Table]:
        manifest, folder = self._manifest(kind, stream, dt), Layout.of(kind, Partition(stream, dt))
        return manifest, read_table(self.store, folder, manifest.files[role])

    def _manifest(self, kind: str, stream: str, dt: str) -> Manifest:
        folder = Layout.of(kind, self.partition(stream, dt))
        return self.store.require(folder, "run `beambell run`, or see what there is with `beambell status`")


def _as(form: Form, table: pa.Table) -> Any:
    if form == "arrow":
        return table
    if form == "pandas":
        return table.to_pandas()
    raise UsageError(f"unknown form {form!r}", fix="use 'pandas' or 'arrow'")
