"""Published labels of as many partitions as one likes, as one lazy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds  # which imports pandas: this module is for whoever asks for such a table

from beambell.artefacts.kinds.labels import Labels
from beambell.artefacts.label_files import check_classes, labels_schema
from beambell.store import Manifest, Partition, Store

if TYPE_CHECKING:
    import pandas as pd


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
