"""The files of published labels for everybody: one per partition, under a fixed name, replaced in one step.

Whoever points pandas, DuckDB or Spark at the folder sees each current row once, at any moment. They are copies: the
stages go by the manifests elsewhere, and a copy that is missing, changed or behind is put right by the next run.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping

from beambell.errors import ArtefactError
from beambell.project import Project
from beambell.store import Layout, Manifest, Partition
from beambell.store.backend import CHUNK, Entry
from beambell.store.cache import Cache

MISSING, BEHIND, WITHDRAWN = "missing", "not the labels that are published", "of labels that were withdrawn"


class PublicLabels:
    """The files for everybody, beside the labels that are published.

    Parameters
    ----------
    project
        Project of the labels; its volatile folder remembers the digests of files that did not change since.
    """

    def __init__(self, project: Project) -> None:
        self._store = project.store
        self._known = Cache(project.volatile, "public-labels", about=self._store.files.root)

    def publish(self, partition: Partition, labels: Manifest) -> None:
        """Replace the file of one partition by its published labels, in one step."""
        ref, name = labels.files["labels"], Layout.public(partition)
        with (
            self._store.open(Layout.of(Layout.LABELS, partition), ref) as file,
            self._store.files.appearing(name) as copy,
        ):
            shutil.copyfileobj(file, copy, CHUNK)
        self._known.put(name, self._store.files.stamp(name), ref.sha256)

    def withdraw(self, partition: Partition) -> None:
        """Take labels back: first from everybody, then the manifest."""
        self._store.files.remove(Layout.public(partition))
        self._store.withdraw(Layout.of(Layout.LABELS, partition))

    def wrong(
        self, published: Mapping[Partition, Manifest] | None = None, *, deep: bool = False
    ) -> dict[Partition, str]:
        """Find the partitions whose file is not their published labels, and say why.

        Parameters
        ----------
        published
            The published labels, if they were just read.
        deep
            Whether every byte is read; otherwise only files that changed since they were looked at.
        """
        there = self._there()
        published = self._store.partitions(Layout.LABELS) if published is None else published
        found = {}
        for partition, labels in published.items():
            ref, entry = labels.files["labels"], there.get(partition)
            if self._store.lies_formerly(Layout.of(Layout.LABELS, partition)):
                continue  # an older data root, where everybody's files are the labels themselves
            if entry is None:
                found[partition] = MISSING
            elif entry.bytes != ref.bytes or self._digest(partition, entry, deep=deep) != ref.sha256:
                found[partition] = BEHIND
        found |= dict.fromkeys(there.keys() - published.keys(), WITHDRAWN)
        self._known.save()
        return dict(sorted(found.items()))

    def put_right(self) -> list[Partition]:
        """Bring all files to what is published; return the partitions whose files were not.

        Raises
        ------
        ArtefactError
            If published labels are damaged themselves; all other files are right then.
        """
        wrong = self.wrong()
        published = self._store.partitions(Layout.LABELS) if wrong else {}
        errors = []
        for partition, why in wrong.items():
            try:
                if why == WITHDRAWN:
                    self._store.files.remove(Layout.public(partition))
                else:
                    self.publish(partition, published[partition])
            except ArtefactError as error:
                errors.append(error)
        self._known.save()
        if errors:
            raise errors[0]
        return list(wrong)

    def _there(self) -> dict[Partition, Entry]:
        found = {}
        for name, entry in self._store.public_entries().items():
            folder, _, file = name.rpartition("/")
            if file == Layout.PUBLIC_FILE and (partition := Partition.in_folder(folder)):
                found[partition] = entry
        return found

    def _digest(self, partition: Partition, entry: Entry, *, deep: bool) -> str:
        name = Layout.public(partition)
        known: str | None = None if deep else self._known.get(name, entry.stamp)
        if known is None:
            with self._store.files.open(name, entry.bytes) as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            self._known.put(name, entry.stamp, known)
        return known
