"""The files of published labels, read together: one lazy table of as many partitions as one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from beambell.artefacts.kinds.labels import Labels
from beambell.errors import ArtefactError
from beambell.store import Manifest, Partition, Store

if TYPE_CHECKING:
    import pandas as pd


def labels_schema(classes: Sequence[str]) -> pa.Schema:
    """Schema of a file of labels.

    ``id``, ``label`` (-1 unlabelled); ``p_<class>`` and ``entropy``, null where nothing is known of the row;
    ``covered``: whether a labeling function voted on it; ``source`` of the label: ``votes``, ``feedback`` or ``none``;
    ``label_model``: first digits of the label model's id; ``feedback``: what of it touched the label, the ``row``'s
    own, that which the ``model`` was fitted to, or ``none``; ``split``: what the row's own feedback is for, to ``fit``
    or to ``evaluate`` (such a row is not trained on), null without.
    """
    probabilities = [(f"p_{name}", pa.float32()) for name in classes]
    whence = [("covered", pa.bool_()), ("source", pa.string()), ("label_model", pa.string()), ("feedback", pa.string())]
    columns = [("id", pa.string()), ("label", pa.int8()), *probabilities, ("entropy", pa.float32()), *whence]
    return pa.schema([*columns, ("split", pa.string())])


class LabelDataset(ds.FileSystemDataset):  # type: ignore[misc]
    """Published labels of many partitions, as an Arrow dataset: nothing is read before it is asked for.

    Columns are ``stream``, ``dt``, and those of a file of labels (see `labels_schema`). Whatever takes an Arrow dataset
    takes it: ``to_batches``, ``scanner``, ``filter``, DuckDB, polars. A filter by ``stream`` or ``dt`` opens no file of
    other partitions. The labels are those that were published when it was made; `beambell gc` may remove their files
    once they were replaced.
    """

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read all of it, or some columns, into memory."""
        return self.to_table(columns=None if columns is None else list(columns)).to_pandas()  # type: ignore[no-any-return]


def label_dataset(store: Store, labels: Mapping[Partition, Manifest], classes: tuple[str, ...]) -> LabelDataset:
    """Lay the labels of partitions out as one lazy table.

    Parameters
    ----------
    store
        Store of the labels, on a disk or elsewhere.
    labels
        Manifests of published labels.
    classes
        Names of the classes.

    Raises
    ------
    ArtefactError
        If labels are of other classes: their numbers mean something else.
    """
    check_classes(labels, classes)
    format_, (files, base) = ds.ParquetFileFormat(), store.files.arrow()
    fragments = [
        format_.make_fragment(
            f"{base}/{store.place(Labels.FOLDER, partition, manifest.files['labels'])}",
            filesystem=files,
            partition_expression=(pc.field("stream") == partition.stream) & (pc.field("dt") == partition.dt),
        )
        for partition, manifest in labels.items()
    ]
    schema = pa.schema([("stream", pa.string()), ("dt", pa.string()), *labels_schema(classes)])
    return LabelDataset(fragments, schema, format_, files)


def check_classes(labels: Mapping[Partition, Manifest], classes: tuple[str, ...]) -> None:
    """Refuse labels of other classes than these.

    Raises
    ------
    ArtefactError
        If there are such.
    """
    others = [str(partition) for partition, manifest in labels.items() if Labels.of(manifest).classes != classes]
    if others:
        raise ArtefactError(
            f"the labels of {others[0]} are of other classes than {', '.join(classes)}",
            where=f"{others[0]} (one of {len(others)} such partitions)",
            fix="`beambell run` labels them again; with labels.relabel_days set, leave older partitions out by --from",
        )
