"""Models that are loaded to predict: the champion, the newest, or a version by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Floats
from beambell.errors import RegistryError, UsageError
from beambell.model import EndModel, end_model
from beambell.model.row_model import RowModel
from beambell.model.standalone import TEXT, columns_of
from beambell.project import Project
from beambell.registry.decisions import champion
from beambell.registry.versions import ModelVersion, named_version
from beambell.store import Layout

CHAMPION: Final = "champion"
NEWEST: Final = "newest"


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A registered version, ready to predict.

    Attributes
    ----------
    name
        Name of the version, as ``spam@v3``.
    version
        Version in the registry.
    model
        End model as it was trained.
    """

    name: str
    version: ModelVersion
    model: EndModel

    def __repr__(self) -> str:
        return f"ServedModel({self.name!r}, classes={self.classes!r}, fields={self.fields!r})"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes, in the order of the columns of probabilities."""
        return tuple(self.model.classes)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that it reads besides the text."""
        return self.model.fields

    def predict_proba(self, rows: Any) -> Floats:
        """Probability of each class for each row: float64 [n, K].

        Parameters
        ----------
        rows
            Texts; or rows with a ``text`` and the `fields`: a data frame, an Arrow table, a mapping of columns, a list
            of mappings. A field that is missing counts as missing.

        Raises
        ------
        UsageError
            If there is no text in rows that have columns, or rows are a single text.
        """
        if isinstance(rows, str | bytes):
            raise UsageError("one text was given where several are expected", fix="pass a list: [text]")
        columns = _arrow_columns(rows) if isinstance(rows, pa.Table) else columns_of(rows)
        if TEXT not in columns:
            have = ", ".join(sorted(columns)) or "none"
            raise UsageError(f"the rows have no column {TEXT!r}", fix=f"rename the column of texts; they have {have}")
        if isinstance(self.model, RowModel):
            return self.model.model.predict_proba(columns)
        texts = [value if isinstance(value, str) else None for value in columns[TEXT]]
        return self.model.predict_proba(texts)

    def predict(self, rows: Any) -> list[str]:
        """Name of the most probable class of each row; the first of equals."""
        best: npt.NDArray[np.intp] = self.predict_proba(rows).argmax(axis=1)
        return [self.classes[k] for k in best]


def _arrow_columns(rows: pa.Table) -> dict[str, Any]:
    from beambell.model.row_features import as_columns

    return as_columns(rows)


def load_model(project: Project, folder: str = Layout.END_MODEL) -> EndModel:
    """Read the end model of a folder."""
    manifest = project.store.require(folder, "run `beambell train`")
    files = {name: project.store.get(folder, ref) for name, ref in manifest.files.items() if name != "predictions"}
    if end_model.kind_of(files) is None:  # perhaps one of the project's own, which comes with its labeling functions
        _ = project.catalogue
    return EndModel.from_files(files)


def find_served(project: Project, name: str = CHAMPION) -> ModelVersion:
    """Find a version by its name, ``champion`` or ``newest``.

    Raises
    ------
    RegistryError
        If there is none.
    """
    if name != CHAMPION:
        return named_version(project, None if name == NEWEST else name)
    found = champion(project, project.params.model.name)
    if found is None:
        raise RegistryError(
            f"no version of {project.params.model.name} is the champion yet",
            fix="`beambell models list` shows what is registered, `beambell models promote` makes one the champion; "
            "or ask for `newest`",
        )
    return found


def served_model(project: Project, name: str = CHAMPION) -> ServedModel:
    """Load a version by its name, ``champion`` or ``newest``."""
    version = find_served(project, name)
    return ServedModel(version.name, version, load_model(project, version.folder))
