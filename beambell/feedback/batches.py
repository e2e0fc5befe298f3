"""Batches of events: what was said together, in a file that never changes.

The folder of a batch is named by what it was made from, so a file that is taken in twice is one batch, and nothing that
was once said is lost when a file is removed or changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from beambell.artefacts.kinds.feedback import Batch
from beambell.config.formats import FORMAT
from beambell.feedback.events import EVENTS_SCHEMA, CheckedEvents, CountedBy
from beambell.records.schema import QUARANTINE_SCHEMA, Reject, quarantine_table, readable
from beambell.store import FileRef, Layout, Manifest, Store
from beambell.store.tables import read_table, write_table, write_tables


def batch_folder(inputs: Mapping[str, str]) -> str:
    """Folder of the batch that is made from these inputs."""
    return Layout.batch(inputs)


def read_batches(store: Store) -> dict[str, Manifest]:
    """All batches there are, by folder, in order; not those whose file was read anew since.

    That is, by a later version of what reads it, or by hand with other words for the classes.
    """
    batches = store.under(Layout.FEEDBACK_BATCHES)
    replaced = {batch_folder(before) for batch in batches.values() for before in _read_before(batch.inputs)}
    last: dict[str, int] = {}
    for batch in map(Batch.of, batches.values()):
        if batch.asked:
            last[batch.asked] = max(last.get(batch.asked, 0), batch.turn or 0)
    return {
        folder: batch
        for folder, batch in batches.items()
        if folder not in replaced and Batch.of(batch).turn == last.get(Batch.of(batch).asked)
    }


def take_turn(store: Store, turns: Mapping[str, Manifest], inputs: Mapping[str, str]) -> tuple[int, list[Manifest]]:
    """Find which turn a file has that is taken in by hand.

    Parameters
    ----------
    turns
        Batches of the same file that only differ in what its words mean, by folder.
    inputs
        Inputs of the batch that is to be made, or to count again.

    Returns
    -------
    int
        Number of its turn: the last, which alone counts.
    list of Manifest
        The batch that counted before and does not any more, if there is one.
    """
    mine = batch_folder(inputs)
    last = max(turns, key=lambda folder: Batch.of(turns[folder]).turn or 0, default=None)
    if last is None:
        return 1, []
    turn = Batch.of(turns[last]).turn or 0
    if last == mine:
        return turn, []
    if mine in turns:
        there = turns[mine]
        facts = {**there.facts, "turn": turn + 1}
        store.publish(mine, Manifest(there.kind, there.files, there.inputs, facts))
    return turn + 1, [turns[last]]


def _read_before(inputs: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the inputs of batches of the same file, asked for in the same way, by earlier versions of what reads it."""
    rest = {name: value for name, value in inputs.items() if name != FORMAT}
    if FORMAT in inputs:
        yield rest  # the first did not say which it was
        yield from ({**rest, FORMAT: str(number)} for number in range(2, int(inputs[FORMAT])))


def publish_batch(
    store: Store,
    parts: Iterable[CheckedEvents],
    inputs: Mapping[str, str],
    *,
    file: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Manifest:
    """Publish a batch, unless it is there.

    Parameters
    ----------
    parts
        Events of the batch, and what was no event, part by part.
    inputs
        Digests of all it is made from: they name it.
    file
        The file it came from.
    facts
        Facts to be kept beside the batch's own.
    """
    folder = batch_folder(inputs)
    there = store.read(folder)
    if there:
        return there
    counted = _Counted()
    with store.seal(folder, "events") as sealed:
        write_tables(sealed, EVENTS_SCHEMA, counted.good(parts))
    files = {"events": sealed.ref}
    if counted.rejects:
        files["quarantine"] = write_table(store, folder, "quarantine", quarantine_table(file or "", counted.rejects))
    answers = (sealed.ref.rows or 0) - counted.taken_back
    quarantined = sum(reject.line is not None for reject in counted.rejects)
    counts = {
        "file": file,
        "records": answers + counted.skipped.total() + quarantined,
        "answers": answers,
        "skipped": dict(sorted(counted.skipped.items())),
        "events": sealed.ref.rows,
        "quarantined": quarantined,
        "problems": [reject.message for reject in counted.rejects if reject.line is None],
        "codes": dict(sorted(Counter(reject.code.value for reject in counted.rejects).items())),
        "first": counted.first(),
        "counted_by": counted.counted_by,
    }
    return store.publish(folder, Manifest("feedback_batch", files, dict(inputs), {**counts, **(facts or {})}))


@dataclass
class _Counted:
    rejects: list[Reject] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    taken_back: int = 0
    counted_by: CountedBy = "line"

    def first(self) -> dict[str, list[Any]]:
        """Give line and message of the first record of each code."""
        found: dict[str, list[Any]] = {}
        for reject in sorted((one for one in self.rejects if one.line is not None), key=lambda one: one.line or 0):
            found.setdefault(reject.code.value, [reject.line, readable(reject.message)])
        return dict(sorted(found.items()))

    def good(self, parts: Iterable[CheckedEvents]) -> Iterator[pa.Table]:
        for part in parts:
            self.rejects += part.rejects
            self.skipped += part.skipped
            self.taken_back += part.taken_back
            self.counted_by = part.counted_by
            if part.events.num_rows:
                yield part.events


def read_events(store: Store, batches: Mapping[str, Manifest]) -> pa.Table:
    """Read the events of batches, in their order; of a withdrawn or repeated event, all there is."""
    return _read(store, batches, "events", EVENTS_SCHEMA)


def read_quarantine(store: Store, batches: Mapping[str, Manifest]) -> pa.Table:
    """Read what was set aside when batches were taken in: file, line, reason, and what stood there."""
    return _read(store, batches, "quarantine", QUARANTINE_SCHEMA)


def _read(store: Store, batches: Mapping[str, Manifest], role: str, schema: pa.Schema) -> pa.Table:
    refs: list[tuple[str, FileRef]] = [
        (folder, manifest.files[role]) for folder, manifest in batches.items() if role in manifest.files
    ]
    return pa.concat_tables([schema.empty_table(), *store.files.each(lambda ref: read_table(store, *ref), refs)])
