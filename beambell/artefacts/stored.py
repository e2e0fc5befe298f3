"""The state on disk: counts per stream and of all streams, beside a manifest that says which partitions they sum up.

``patterns`` (and ``marginals``, if patterns are a sample) are roles of the whole, ``patterns/<stream>`` of a stream.
Every state that was published is kept as a manifest under ``history/``; ``log/`` has their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beambell.artefacts.kinds.votes import State
from beambell.errors import UsageError
from beambell.state.budget import BudgetedCounts
from beambell.store import FileRef, Layout, Manifest, Store, canonical_json
from beambell.store.arrays import pack_arrays, unpack_arrays
from beambell.store.tables import read_table, write_table

LOG = f"{Layout.STATE}/log"
SHORT_ID = 12


def roles(stream: str | None = None) -> tuple[str, str]:
    """Roles of the files of counts: of all streams, or of one."""
    suffix = f"/{stream}" if stream else ""
    return f"patterns{suffix}", f"marginals{suffix}"


def write_counts(store: Store, counts: BudgetedCounts, stream: str | None = None) -> dict[str, FileRef]:
    """Write the counts of a stream, or of all; returns the files by role."""
    patterns, marginals = roles(stream)
    files = {patterns: write_table(store, Layout.STATE, "patterns", counts.to_table())}
    if counts.marginals is not None:
        data = pack_arrays({"values": counts.marginals.values})
        files[marginals] = store.put(Layout.STATE, "marginals", ".npz", data)
    return files


def read_counts(store: Store, state: Manifest, stream: str | None = None) -> BudgetedCounts:
    """Read the counts of a stream, or of all, in any state there was.

    Raises
    ------
    UsageError
        If the state has no partition of that stream.
    ArtefactError
        If a file is missing or damaged.
    """
    patterns, marginals = roles(stream)
    if patterns not in state.files:
        raise UsageError(f"the state has no partition of stream {stream!r}", where="--stream")
    table = read_table(store, Layout.STATE, state.files[patterns])
    values = None
    if marginals in state.files:
        data = store.get(Layout.STATE, state.files[marginals])
        values = unpack_arrays(data, store.files.path(Layout.STATE))["values"]
    return BudgetedCounts.from_table(table, State.of(state).policy["max_patterns"], values)


def sampled_share(facts: Mapping[str, Any]) -> float:
    """Share of the patterns that a state keeps: 1 unless they were over the budget."""
    return float(0.5 ** facts["level"])


# -- states of the past ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Logged:
    """One state of the past.

    Attributes
    ----------
    number
        1 for the first.
    id
        Id of the state's manifest, 64 hex digits.
    """

    number: int
    id: str


def log_of(store: Store) -> list[Logged]:
    """List the states there were, oldest first. Reads no file but the names of the log's."""
    return [_logged(name) for name in store.files.list(LOG)]


def _logged(name: str) -> Logged:
    number, _, rest = name.removesuffix(".json").partition("-")
    return Logged(int(number), rest)


def record(store: Store, state: Manifest) -> None:
    """Note that a state became the current one, unless that is noted already.

    The log is of what happened, not an artefact: a state does not depend on the way to it.
    """
    names = store.files.list(LOG)
    last = _logged(names[-1]) if names else None
    if last and last.id == state.id:
        return
    number = last.number + 1 if last else 1
    store.files.write(f"{LOG}/{number:06d}-{state.id}.json", _entry(state.id))


def _entry(state: str) -> bytes:
    return canonical_json({"state": state})


def damaged_log(store: Store) -> Iterator[str]:
    """Paths of the log's files, below the data root, that do not say what their names do; in order."""
    for name in store.files.list(LOG):
        path = f"{LOG}/{name}"
        if store.files.read(path) != _entry(_logged(name).id):
            yield path


def find_state(store: Store, at: str | None = None) -> Manifest:
    """Find a state: the current one, or one of the past by its id, its first digits, or its number in the log.

    Raises
    ------
    UsageError
        If there is none, or there are several.
    ArtefactError
        If there is no state at all.
    """
    current = store.require(Layout.STATE, "run `beambell merge`")
    if at is None or (len(at) >= SHORT_ID and current.id.startswith(at)):
        return current
    log = log_of(store)
    numbered = {entry.id for entry in log if str(entry.number) == at}
    ids = numbered or {entry.id for entry in log if entry.id.startswith(at)}
    revision = store.revision(Layout.STATE, next(iter(ids))) if len(ids) == 1 else None
    if revision is None:
        raise UsageError(
            f"{len(ids)} states are called {at!r}" if len(ids) > 1 else f"there is no state {at!r}",
            fix="`beambell state log` lists them",
        )
    return revision
