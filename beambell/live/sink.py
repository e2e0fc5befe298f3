"""Labels out: JSON lines beside the segments that they label, or into a Kafka topic as well.

A file of labels has the name of its segment. While the segment is open, it grows under a name that ends in ``.part``;
then it gets its name. A segment that is read again is labelled again, into the same file: for each id, the last counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from beambell.arrays import Floats
from beambell.live.folder import LiveFolder
from beambell.live.labeler import LabelledBatch
from beambell.live.segments import stem
from beambell.store import Layout, Store


def labels_folder(store: Store, stream: str) -> LiveFolder:
    """Return the folder of a stream's live labels."""
    return LiveFolder(store.files, f"{Layout.LIVE}/{stream}/labels")


def spell_labels(
    batch: LabelledBatch, classes: tuple[str, ...], judged: Mapping[str, Floats] | None = None
) -> Iterator[bytes]:
    """Yield each label as a JSON object: id, partition, label, probabilities, and the versions that it came from.

    Parameters
    ----------
    batch
        Labels of n rows.
    classes
        Names of the K classes.
    judged
        Probability of each class by end models, float64 [n, K], by the name of the model.
    """
    beside = {name: proba.round(6).tolist() for name, proba in (judged or {}).items()}
    source = batch.source
    ids, dts = source.rows["id"].to_pylist(), batch.dts.to_pylist()
    about = {"model": batch.version.name, "lfs": batch.lfs[:16], "part": source.part}
    proba = batch.proba.round(6).tolist()
    arrived = source.arrived.tolist()
    for i, (name, dt) in enumerate(zip(ids, dts, strict=True)):
        label, is_covered = int(batch.labels[i]), bool(batch.covered[i])
        document = {
            "id": name,
            "stream": source.stream,
            "dt": dt,
            "label": classes[label] if label >= 0 else None,
            "p": dict(zip(classes, proba[i], strict=True)) if is_covered else None,
            "source": "votes" if is_covered else "none",
            "pattern": batch.patterns[i].tobytes().hex(),
            "offset": int(source.offsets[i]),
            "past": batch.reach.get(dt),
            **about,
            "arrived": arrived[i] or None,
            "labelled": batch.labelled,
        }
        if beside:
            document["models"] = {name: dict(zip(classes, probas[i], strict=True)) for name, probas in beside.items()}
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class FileSink:
    """Files of labels of one part of a stream.

    Parameters
    ----------
    store
        Data root.
    stream, part
        Names of the stream and of the part.
    """

    def __init__(self, store: Store, stream: str, part: str) -> None:
        self._folder, self._part = labels_folder(store, stream), part
        self._segment: int | None = None
        self._file: BinaryIO | None = None
        self._lines: list[bytes] = []

    def has(self, segment: int) -> bool:
        """Whether the labels of a segment are complete."""
        return self._name(segment) in self._folder.names(".jsonl")

    def write(self, segment: int, lines: list[bytes]) -> None:
        """Add labels of a segment's records; labels of another segment complete those before."""
        if segment != self._segment:
            self.complete()
            self._segment = segment
        if not lines:
            return
        data = b"\n".join(lines) + b"\n"
        if self._folder.is_local:
            if self._file is None:
                self._aside.parent.mkdir(parents=True, exist_ok=True)
                self._aside.unlink(missing_ok=True)  # a file of its own, whoever still writes to one of that name
                self._file = self._aside.open("xb")
            self._file.write(data)
            self._file.flush()
        else:
            self._lines.append(data)

    def complete(self) -> None:
        """Give the labels of the segment that they are of its name."""
        if self._segment is None:
            return
        name = self._name(self._segment)
        if self._file is not None:
            self._file.close()
            self._folder.publish(self._aside, name)
            self._file = None
        elif self._lines:
            self._folder.write(name, b"".join(self._lines))
            self._lines.clear()
        self._segment = None

    def abandon(self) -> None:
        """Forget the labels of a segment that is read again."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lines.clear()
        self._segment = None

    def _name(self, segment: int) -> str:
        return f"{stem(self._part, segment)}.jsonl"

    @property
    def _aside(self) -> Path:
        assert self._segment is not None
        return Path(self._folder.path(f"{self._name(self._segment)}.part"))
