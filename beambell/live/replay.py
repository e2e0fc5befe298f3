"""Records of raw files, sent again as if they came now: for demos, for tests, and to see how fast a job is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from beambell.errors import UsageError
from beambell.live.kafka import KafkaSink, client_settings
from beambell.project import Project
from beambell.records import read_records
from beambell.stages.sources import glob_files
from beambell.store.reaching import open_file

REPLAYED = "replayed.jsonl"
_STEP_S = 0.02


def raw_records(project: Project, stream: str, patterns: list[str]) -> Iterator[bytes]:
    """Yield the rows of raw files as JSON objects with the stream's own columns, in order of event time per file.

    Raises
    ------
    UsageError
        If a pattern fits no file.
    """
    params = project.params.streams[stream]
    for pattern in patterns or list(params.inputs):
        files = glob_files(project.path, pattern, "FILES")
        if not files and patterns:
            raise UsageError(
                "there is no such file", where=pattern, fix="name raw files of the stream, or globs of them"
            )
        for file in files:
            with open_file(file.url, where=file.name) as opened:
                for batch in read_records(opened, name=file.name, stream=params, stream_name=stream):
                    yield from _as_json(batch.rows.sort_by("ts").to_pylist(), params)


def _as_json(rows: list[dict[str, Any]], params: Any) -> Iterator[bytes]:
    for row in rows:
        told: dict[str, Any] = {params.text: row[params.text], **{name: row[name] for name in params.fields}}
        if params.id is not None:
            told[params.id] = row["id"]
        told[params.time] = None if row["ts"] is None else row["ts"].isoformat()
        yield json.dumps(told, ensure_ascii=False).encode()


def replay(
    project: Project,
    records: Mapping[str, Iterator[bytes]],
    rate: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Send records to the sources that a live job reads, the streams by turns.

    Parameters
    ----------
    project
        Project with a section ``live``.
    records
        Records of each stream.
    rate
        Records per second of all streams; ``None`` for as fast as it goes.
    stopping
        Says whether to end.

    Returns
    -------
    dict
        Number of records that were sent, by stream.
    """
    senders = {stream: _sender(project, stream) for stream in records}
    sent = dict.fromkeys(records, 0)
    waiting, began, total = dict(records), time.monotonic(), 0
    while waiting and not stopping():
        due = 2_000 if rate is None else int((time.monotonic() - began) * rate) - total
        if due <= 0:
            time.sleep(_STEP_S)
            continue
        for stream in list(waiting):
            some = [record for _, record in zip(range(-(-due // len(waiting))), waiting[stream], strict=False)]
            if not some:
                del waiting[stream]
                continue
            senders[stream](some)
            sent[stream] += len(some)
            total += len(some)
    return sent


def _sender(project: Project, stream: str) -> Callable[[list[bytes]], None]:
    source = project.params.live.streams[stream]
    if source.topic is not None:
        live = project.params.live
        sink = KafkaSink(source.topic, client_settings({**live.client, "bootstrap.servers": live.brokers}))

        def send(records: list[bytes]) -> None:
            sink.send((str(hash(record)), record) for record in records)
            sink.flush()

        return send
    assert source.folder is not None
    folder = Path(project.path, source.folder).parent
    if "*" in str(folder):
        raise UsageError(
            "a folder with a star is not one to write to", where=source.folder, fix="append to its files yourself"
        )
    folder.mkdir(parents=True, exist_ok=True)

    def append(records: list[bytes]) -> None:
        with (folder / REPLAYED).open("ab") as file:
            file.write(b"".join(record + b"\n" for record in records))

    return append
