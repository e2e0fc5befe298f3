"""Where artefacts live, and how they get there: partitions, manifests, atomic publication, Parquet."""

from beambell.store.canonical import canonical_json, digest
from beambell.store.files import Files
from beambell.store.layout import Layout
from beambell.store.lock import write_lock
from beambell.store.manifest import FileRef, Manifest, Store
from beambell.store.partition import Partition, Selection, parse_dt

__all__ = [
    "FileRef",
    "Files",
    "Layout",
    "Manifest",
    "Partition",
    "Selection",
    "Store",
    "canonical_json",
    "digest",
    "parse_dt",
    "write_lock",
]
