"""Which labeling functions labels were made from: those that the label model listened to, as they voted then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beambell.artefacts.kinds.labels import Candidates, LabelModel
from beambell.artefacts.kinds.votes import Votes
from beambell.store import Layout, Manifest, Partition, Store

FACT = "lfs"
"""Fact of labels: labeling function -> fingerprint."""


def contributors(store: Store, partition: Partition, labels: Manifest) -> dict[str, str] | None:
    """Fingerprints by name of the labeling functions that labels were made from.

    Labels say so themselves, but for those of before they did. Of these, the votes tell as long as they are the same;
    then it is ``None``.
    """
    if (own := Candidates.of(labels).lfs) is not None:
        return dict(own)
    votes = store.read(Layout.of(Layout.VOTES, partition))
    model = store.revision(Layout.LABEL_MODEL, labels.inputs["label_model"])
    if votes is None or model is None or votes.files["votes"].sha256 != labels.inputs["votes"]:
        return None
    # The same votes may have been cast by other functions since; the label model was fitted to those of then.
    return fingerprints_of(votes, LabelModel.of(model).lfs) if votes.inputs["lfs"] == model.inputs["lfs"] else None


def fingerprints_of(votes: Manifest, names: Sequence[str]) -> dict[str, str]:
    """Fingerprints of those labeling functions, of all that voted, that a label model listens to."""
    return {name: fingerprint for name, fingerprint in Votes.of(votes).fingerprints.items() if name in names}


def sum_up(store: Store, labels: Mapping[Partition, Manifest | None]) -> dict[str, Any]:
    """Say of labels of many partitions by which labeling functions they were made.

    Parameters
    ----------
    labels
        Manifests of labels; ``None`` for those that are not to be had any more.

    Returns
    -------
    dict
        ``lfs``: fingerprints by name, of the last partition that each is of; ``earlier_lfs``: by name, the fingerprints
        that only labels of other partitions are of; ``unknown_lfs``: partitions of which it is not known any more.
    """
    lfs: dict[str, str] = {}
    ever: dict[str, dict[str, None]] = {}
    unknown = []
    for partition in sorted(labels, key=lambda partition: (partition.dt, partition.stream)):
        manifest = labels[partition]
        found = contributors(store, partition, manifest) if manifest else None
        if found is None:
            unknown.append(str(partition))
            continue
        lfs |= found
        for name, fingerprint in found.items():
            ever.setdefault(name, {})[fingerprint] = None
    earlier = {name: sorted(known.keys() - {lfs[name]}) for name, known in sorted(ever.items())}
    return {
        "lfs": dict(sorted(lfs.items())),
        "earlier_lfs": {name: known for name, known in earlier.items() if known},
        "unknown_lfs": sorted(unknown),
    }
