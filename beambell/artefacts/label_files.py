"""The files of published labels: their columns, and the classes that their numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from beambell.artefacts.kinds.labels import Labels
from beambell.errors import ArtefactError
from beambell.store import Manifest, Partition


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
