"""The review queue: which rows to ask people about next.

What it costs: the table of pattern counts of every selected partition; of the partitions that hold picked rows, their
ids and patterns, and the texts of those rows. No other row is read, however many there are. If there is an end model,
it predicts the picked rows, and about twenty times as many as its share of the queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Floats, Integers, Packed
from beambell.artefacts.kinds import labels as kinds
from beambell.artefacts.kinds.votes import Votes
from beambell.errors import UsageError
from beambell.feedback import interchange, label_studio, queue
from beambell.feedback.batches import read_batches, read_events
from beambell.feedback.interchange import FileFormat
from beambell.feedback.queue import Arrivals, Cells, Reason
from beambell.feedback.tasks import TASKS_SCHEMA
from beambell.label_model.expected_gain import ExpectedGain, expected_gain
from beambell.model import EndModel
from beambell.project import Project
from beambell.records.split import uniform
from beambell.stages.fit import read_feedback
from beambell.stages.posteriors import Posteriors, entropy, hard_labels
from beambell.stages.train import load_model
from beambell.state import FeedbackCounts, PatternCounts
from beambell.state import patterns as packed
from beambell.store import FileRef, Layout, Manifest, Partition, Selection, digest
from beambell.store.files import Files
from beambell.store.tables import read_table, take_rows, write_table
from beambell.workshop.queue_views import QueueView

if TYPE_CHECKING:
    from beambell.label_model import LabelModel


RECORD_SCHEMA = pa.schema(
    [
        *(field for field in TASKS_SCHEMA if field.name not in {"text", "suggestion", "confidence", "votes"}),
        pa.field("dt", pa.string(), nullable=False),
        pa.field("text_key", pa.string(), nullable=False),
    ]
)
_MORE = 1.2  # arrivals to look at for each that is wanted: some are known already, some have the same text


@dataclass(frozen=True, eq=False)
class ReviewQueue:
    """Rows to ask about.

    Attributes
    ----------
    tasks
        `TASKS_SCHEMA`, first those that a smaller queue has, too.
    record
        `RECORD_SCHEMA`: what is kept of them, so that no row is asked about twice.
    figures
        What `QueueView` has of the same name: ``rows``, ``patterns``, ``partitions`` and so on.
    expected
        How many answers of covered rows are expected per pattern, to be counted by label models, by packed pattern.
    by_reason, by_stream
        How many of each.
    warnings
        What a person should know.
    """

    tasks: pa.Table
    record: pa.Table
    figures: dict[str, Any]
    expected: dict[bytes, float]
    by_reason: dict[str, int]
    by_stream: dict[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Source:
    """A partition that rows may be drawn from."""

    partition: Partition
    votes: FileRef
    rows: FileRef


@dataclass(frozen=True, eq=False)
class _Pool:
    """All that is known of the rows without looking at one.

    Attributes
    ----------
    patterns
        The p distinct patterns of the LFs that the label model listens to, packed, ascending.
    proba
        Their posteriors, [p, K].
    source, pattern
        Of each cell, as places in ``sources`` and ``patterns``, int64 [c].
    """

    sources: tuple[_Source, ...]
    posteriors: Posteriors
    patterns: Packed
    proba: Floats
    source: Integers
    pattern: Integers
    cells: Cells

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Whether a labeling function votes, [p]."""
        return np.asarray(self.patterns.any(axis=1))


@dataclass(eq=False)
class _Row:
    """A row that arrived: where it is, when its pattern brought it, and when a proposal did."""

    source: int
    position: int
    cell: int
    by_pattern: float = np.inf
    by_proposal: float = np.inf
    disagreement: float = 0.0
    id: str = ""
    text: str = ""
    text_key: str = ""

    @property
    def time(self) -> float:
        return min(self.by_pattern, self.by_proposal)


def build_queue(project: Project, selection: Selection, *, size: int | None = None, again: bool = False) -> ReviewQueue:
    """Draw rows to ask about. The same project gives the same rows.

    Parameters
    ----------
    size
        How many; ``feedback.queue.size`` by default.
    again
        Ask once more about rows that were in a queue and have no answer.

    Raises
    ------
    UsageError
        If there is no row to draw from, or none that was not asked about.
    """
    params = project.params.feedback.queue
    wanted = size or params.size
    warnings: list[str] = []
    end_model = _end_model(project, warnings) if params.disagreement else None
    reasons = [reason for reason in Reason if reason is not Reason.DISAGREEMENT or end_model]
    pool = _read_pool(project, selection, {reason: getattr(params, reason) for reason in reasons}, warnings)
    known = _Known.of(project, again=again)
    draw = _Draw(project, pool, end_model, known)
    rows, until = draw.first(wanted)
    if not rows:
        raise UsageError("no row is left to ask about", fix="ask again about rows that were given out: --again")
    if (left := len({row.text_key for row in rows})) < wanted:
        warnings.append(f"only {left} rows are left to ask about, not {wanted}")
    return _lay_out(project, draw, rows, until, tuple(warnings))


def _end_model(project: Project, warnings: list[str]) -> EndModel | None:
    if project.store.read(Layout.END_MODEL) is None:
        return None
    model = load_model(project)
    if model.classes == project.params.classes:
        return model
    warnings.append("the end model has other classes than params.yaml, and is not asked: run `beambell train`")
    return None


def show_queue(made: ReviewQueue, gain: ExpectedGain | None = None, files: tuple[str, ...] = ()) -> QueueView:
    """Lay a queue out for people."""
    tasks = tuple(made.tasks.to_pylist())
    return QueueView(
        tasks, made.by_reason, made.by_stream, **made.figures, gain=gain, warnings=made.warnings, files=files
    )


def estimate_gain(project: Project, made: ReviewQueue) -> ExpectedGain:
    """Estimate what answers to a queue would buy; of its rows, as many as are not kept for evaluation are fitted to."""
    from beambell import label_model

    params, everyone = project.params.label_model, project.state()
    counts = everyone.restrict([name for name in everyone.lfs if name not in project.params.lfs.shadow])
    fitted = 1 - project.params.feedback.evaluate
    picks = np.array([fitted * made.expected.get(bytes(pattern), 0.0) for pattern in counts.packed])
    project.register_label_models(params.kind)

    def fit(feedback: FeedbackCounts) -> LabelModel:
        return label_model.create(params.kind, **params.options).fit(counts, feedback)

    return expected_gain(fit, counts, read_feedback(project, counts.lfs), picks)


def export_queue(
    project: Project,
    selection: Selection,
    out: Path,
    file_format: FileFormat,
    *,
    size: int | None = None,
    again: bool = False,
    force: bool = False,
) -> QueueView:
    """Write a queue as a file for reviewers, and note that its rows were given out.

    Parameters
    ----------
    size, again
        As of `build_queue`.
    out
        The file. Beside tasks for Label Studio, their labeling interface is written, as ``.config.xml``.
    force
        Write over a file that is there.

    Raises
    ------
    UsageError
        If the file is there: someone may be filling it in. As `build_queue` does.
    """
    if out.exists() and not force:
        raise UsageError("there is such a file", where=str(out), fix="choose another name, or write over it: --force")
    with project.writing():
        made = build_queue(project, selection, size=size, again=again)
        contents = {out: b"".join(interchange.write_tasks(made.tasks, file_format))}
        if file_format == "label-studio":
            config = label_studio.labeling_config(project.params.classes)
            contents[out.with_suffix(".config.xml")] = config.encode()
        for path, data in contents.items():
            Files(path.parent).write(path.name, data)
        # Only then: a queue that nobody has would be lost, and one that was given out twice is not.
        record_queue(project, made)
    return show_queue(made, files=tuple(str(path) for path in contents))


# -- what there is to draw from ----------------------------------------------------------------------------------


def _read_pool(project: Project, selection: Selection, shares: Mapping[Reason, float], warnings: list[str]) -> _Pool:
    store = project.store
    model = store.require(Layout.LABEL_MODEL, "run `beambell fit`")
    posteriors = Posteriors(project)
    stored = store.partitions(Layout.PARTITIONS)
    sources, patterns_of, behind = [], [], 0
    for partition, votes in store.partitions(Layout.VOTES).items():
        if partition not in selection or partition.stream not in project.params.streams:
            continue
        rows = stored[partition].files["rows"] if partition in stored else None
        cast = Votes.of(votes)
        if rows is None or (cast.lfs_digest, cast.rows_digest) != (kinds.LabelModel.of(model).lfs_digest, rows.sha256):
            behind += 1
            continue
        sources.append(_Source(partition, votes.files["votes"], rows))
        patterns_of.append((Layout.of(Layout.VOTES, partition), votes.files["patterns"]))
    tables = store.files.each(lambda place: read_table(store, *place), patterns_of)
    counts = [PatternCounts.from_table(table).restrict(posteriors.lfs) for table in tables]
    if behind:
        warnings.append(f"{behind} partitions are left out: their votes are older than their rows or the label model")
    if not sum(part.n_rows for part in counts):
        raise UsageError(
            "there is no row to ask about",
            fix="run `beambell run`, or widen --stream, --from and --to: `beambell status` says what there is",
        )
    patterns, at, _ = packed.unique(np.concatenate([part.packed for part in counts]))
    proba = posteriors.of(patterns)
    source = np.repeat(np.arange(len(counts)), [part.n_patterns for part in counts])
    keys = [queue.cell_keys(str(s.partition), part.packed) for s, part in zip(sources, counts, strict=True)]
    cells = queue.make_cells(
        np.concatenate(keys),
        np.concatenate([part.counts for part in counts]),
        entropy(proba)[at],
        np.asarray(patterns.any(axis=1))[at],
        shares,
    )
    return _Pool(tuple(sources), posteriors, patterns, proba, source.astype(np.int64), at, cells)


@dataclass(frozen=True)
class _Known:
    """What was asked before: rows by stream and id, and texts by key."""

    rows: frozenset[tuple[str, str]]
    texts: frozenset[str]

    @classmethod
    def of(cls, project: Project, *, again: bool) -> _Known:
        reviewed = reviewed_rows(project)
        queued = read_queued(project)
        rows = list(zip(queued["stream"].to_pylist(), queued["row_id"].to_pylist(), strict=True))
        texts = queued["text_key"].to_pylist()
        if again:
            texts = [text for text, row in zip(texts, rows, strict=True) if row in reviewed]
            rows = []
        return cls(frozenset(reviewed) | frozenset(rows), frozenset(texts))

    def has(self, stream: str, row: _Row) -> bool:
        return (stream, row.id) in self.rows or row.text_key in self.texts


def reviewed_rows(project: Project) -> set[tuple[str, str]]:
    """List the rows, by stream and id, of which somebody said something."""
    events = read_events(project.store, read_batches(project.store)).select(["stream", "row_id"])
    return set(zip(*(column.to_pylist() for column in events.drop_null().columns), strict=True))


def read_queued(project: Project) -> pa.Table:
    """Read what was in queues that were given out, `RECORD_SCHEMA`."""
    store = project.store
    places = [(folder, manifest.files["rows"]) for folder, manifest in store.under(Layout.FEEDBACK_QUEUES).items()]
    tables = store.files.each(lambda place: read_table(store, *place), places)
    return pa.concat_tables([RECORD_SCHEMA.empty_table(), *tables])


def record_queue(project: Project, made: ReviewQueue) -> Manifest:
    """Note that a queue was given out: its rows are not asked about again."""
    store = project.store
    with project.writing():
        model = store.require(Layout.LABEL_MODEL, "run `beambell fit`")
        said = [made.record[name].to_pylist() for name in ("stream", "row_id")]
        folder = f"{Layout.FEEDBACK_QUEUES}/{digest(said)[:32]}"
        files = {"rows": write_table(store, folder, "rows", made.record)}
        facts = {"rows": made.tasks.num_rows, "by_reason": made.by_reason, "by_stream": made.by_stream}
        return store.publish(folder, Manifest("feedback_queue", files, {"label_model": model.id}, facts))


# -- drawing -----------------------------------------------------------------------------------------------------


@dataclass
class _Draw:
    """Draws rows from a pool."""

    project: Project
    pool: _Pool
    end_model: EndModel | None
    known: _Known
    predicted: int = 0
    passed_over: int = 0
    read: set[int] = field(default_factory=set)

    def first(self, size: int) -> tuple[list[_Row], float]:
        """Draw the rows that arrive first and have ``size`` distinct texts, and the time until which they do."""
        cells = self.pool.cells
        until = cells.time_of(int(size * _MORE) + 10)
        while True:
            rows = sorted(self._look(until), key=lambda row: (row.time, row.source, row.position))
            last = _time_of_text(rows, size)
            if last is not None:
                return [row for row in rows if row.time < last], last
            if until == np.inf:
                return rows, until
            until = cells.time_of(2 * int(cells.expected(until)) + 10)

    def _look(self, until: float) -> list[_Row]:
        """All rows that arrive before a time and were not asked about before."""
        cells = self.pool.cells
        rates = {"by_pattern": cells.rate, "by_proposal": cells.proposals}
        found = {way: queue.arrivals(cells.keys, cells.rows, rate, until, way) for way, rate in rates.items()}
        sources = {way: self.pool.source[those.cell] for way, those in found.items()}
        looked: list[_Row] = []
        for s in np.unique(np.concatenate(list(sources.values()))).tolist():
            rows: dict[int, _Row] = {}
            ids, pattern = self._patterns_of(s)
            for way, those in found.items():
                mine = np.flatnonzero(sources[way] == s)
                positions = self._positions(s, ids, pattern, those, mine, way)
                for at, position in zip(mine.tolist(), positions.tolist(), strict=True):
                    row = rows.setdefault(position, _Row(s, position, int(those.cell[at])))
                    setattr(row, way, float(those.time[at]))
            self._read_texts(s, rows)
            looked += rows.values()
        new = [row for row in looked if not self.known.has(self._stream(row), row)]
        self.passed_over = len(looked) - len(new)
        self._predict(new)
        return [row for row in new if row.time < until]

    def _stream(self, row: _Row) -> str:
        return self.pool.sources[row.source].partition.stream

    def _positions(
        self, s: int, ids: pa.Array, pattern: Integers, found: Arrivals, mine: Integers, salt: str
    ) -> Integers:
        """Say which rows of a source arrived: those of a cell come in the order of a hash of their ids."""
        where = np.empty(len(mine), np.int64)
        wanted = self.pool.pattern[found.cell[mine]]
        for p in np.unique(wanted).tolist():
            rows = np.flatnonzero(pattern == p)
            draws = uniform(ids.take(pa.array(rows)), salt=f"{salt} {self.pool.sources[s].partition}")
            in_order = rows[np.argsort(draws, kind="stable")]
            where[wanted == p] = in_order[found.order[mine[wanted == p]]]
        return where

    def _patterns_of(self, s: int) -> tuple[pa.Array, Integers]:
        """Ids of the rows of a source, and their patterns as places in the pool's."""
        self.read.add(s)
        source = self.pool.sources[s]
        folder = Layout.of(Layout.VOTES, source.partition)
        votes = read_table(self.project.store, folder, source.votes, ["id", "pattern"])
        codes = self.pool.posteriors.heard(packed.from_arrow(votes["pattern"]))
        at = np.searchsorted(packed.keys(self.pool.patterns), packed.keys(codes))
        return votes["id"].combine_chunks(), at

    def _read_texts(self, s: int, rows: Mapping[int, _Row]) -> None:
        source = self.pool.sources[s]
        stream, folder = source.partition.stream, Layout.of(Layout.PARTITIONS, source.partition)
        column = self.project.params.streams[stream].text
        positions = sorted(rows)
        table = take_rows(self.project.store, folder, source.rows, positions, ["id", column])
        for position, name, text in zip(positions, table["id"].to_pylist(), table[column].to_pylist(), strict=True):
            row = rows[position]
            row.id, row.text, row.text_key = str(name), text or "", queue.text_key(stream, text)

    def _predict(self, rows: list[_Row]) -> None:
        """Find out about which rows the end model disagrees, and which proposals are taken."""
        covered = self.pool.covered
        asked = [row for row in rows if covered[self.pool.pattern[row.cell]]] if self.end_model else []
        if self.end_model is None or not asked:
            return
        self.predicted = len(asked)
        labels = self.pool.proba[self.pool.pattern[[row.cell for row in asked]]]
        found = queue.disagreement(labels, self.end_model.predict_proba([row.text for row in asked]))
        taken = self.draws(asked, "taken") < found
        for row, disagreement, take in zip(asked, found.tolist(), taken.tolist(), strict=True):
            row.disagreement = disagreement
            row.by_proposal = row.by_proposal if take else np.inf

    def draws(self, rows: list[_Row], salt: str) -> Floats:
        """A number in [0, 1) for each row, by its stream and id."""
        return uniform([f"{self._stream(row)}/{row.id}" for row in rows], salt=salt)


def _time_of_text(rows: list[_Row], n: int) -> float | None:
    """Time of the row with the first text after n distinct ones, if there is one."""
    seen: set[str] = set()
    for row in rows:
        if row.text_key not in seen and len(seen) == n:
            return row.time
        seen.add(row.text_key)
    return None


# -- what comes of it ----------------------------------------------------------------------------------------------


def _lay_out(project: Project, draw: _Draw, rows: list[_Row], until: float, warnings: tuple[str, ...]) -> ReviewQueue:
    pool, cells = draw.pool, draw.pool.cells
    random_share = float(cells.rows @ cells.rates[:, queue.OF_PATTERNS.index(Reason.RANDOM)])
    asked = _asked(draw, rows, until)
    model = project.store.require(Layout.LABEL_MODEL, "run `beambell fit`").id
    seen = _Seen(pool, project.params.feedback.queue.blind)
    tasks = [
        {
            "row_id": one.row.id,
            "stream": pool.sources[one.row.source].partition.stream,
            "dt": pool.sources[one.row.source].partition.dt,
            "text": one.row.text,
            "text_key": one.row.text_key,
            "label_model": model,
            "picked_by": str(one.reason),
            "probability": min(1.0, 1.0 / one.stands_for),
            "random_share": round(random_share, 9),
            **seen.of(one),
        }
        for one in asked
    ]
    figures = {
        "rows": int(cells.rows.sum()),
        "patterns": len(pool.patterns),
        "partitions": len(pool.sources),
        "partitions_read": len(draw.read),
        "known": draw.passed_over,
        "repeated": len(rows) - len(tasks),
        "predicted": draw.predicted,
        "random_share": round(random_share, 9),
    }
    by_reason, by_stream = (dict(sorted(Counter(t[name] for t in tasks).items())) for name in ("picked_by", "stream"))
    laid_out, record = (pa.Table.from_pylist(tasks, schema) for schema in (TASKS_SCHEMA, RECORD_SCHEMA))
    return ReviewQueue(laid_out, record, figures, _expected(pool, len(tasks)), by_reason, by_stream, warnings)


def _expected(pool: _Pool, size: int) -> dict[bytes, float]:
    """Expected number of a queue's rows of each pattern, by its bytes; as if none were known already."""
    cells, none = pool.cells, np.zeros(len(pool.cells.rows))
    arrive = queue.probability(cells.rate, none, none, cells.time_of(size))
    of_pattern = np.bincount(pool.pattern, cells.rows * arrive, minlength=len(pool.patterns))
    return {bytes(pattern): float(n) for pattern, n in zip(pool.patterns, of_pattern, strict=True)}


@dataclass
class _Asked:
    """A row that stands for itself, for others of its text that were drawn, and for those that were not."""

    row: _Row
    reason: Reason
    stands_for: float = 0.0


def _asked(draw: _Draw, rows: list[_Row], until: float) -> list[_Asked]:
    """Bring rows of one text together, in the order in which the first of each arrived."""
    at = np.array([row.cell for row in rows], np.int64)
    cells = draw.pool.cells
    may_disagree = np.array([row.disagreement for row in rows])
    chance = queue.probability(cells.rate[at], cells.proposals[at], may_disagree, until)
    asked: dict[str, _Asked] = {}
    for row, reason, p in zip(rows, _reasons(draw, rows, cells.rates[at], until), chance.tolist(), strict=True):
        one = asked.setdefault(row.text_key, _Asked(row, reason))
        one.stands_for += 1.0 / p
        if reason is Reason.RANDOM:
            one.reason = reason
    return list(asked.values())


class _Seen:
    """What a reviewer is told about a row."""

    def __init__(self, pool: _Pool, blind: str) -> None:
        self._pool, self._blind = pool, blind
        self._hard = hard_labels(pool.proba, pool.covered)
        self._votes = packed.unpack(pool.patterns, pool.posteriors.n_lfs, len(pool.posteriors.classes))

    def of(self, asked: _Asked) -> dict[str, Any]:
        """Columns of the task."""
        p, posteriors = int(self._pool.pattern[asked.row.cell]), self._pool.posteriors
        if self._blind == "all" or (self._blind == "random" and asked.reason is Reason.RANDOM):
            return {"votes_shown": False}
        votes = zip(posteriors.lfs, self._votes[p].tolist(), strict=True)
        told: dict[str, Any] = {
            "votes_shown": True,
            "votes": ", ".join(f"{lf}={posteriors.classes[vote]}" for lf, vote in votes if vote >= 0),
        }
        if self._hard[p] >= 0:
            told["suggestion"] = posteriors.classes[self._hard[p]]
            told["confidence"] = round(float(self._pool.proba[p].max()), 9)
        return told


def _reasons(draw: _Draw, rows: list[_Row], rates: Floats, until: float) -> list[Reason]:
    time = np.array([row.by_pattern for row in rows])
    by_pattern = queue.reasons(rates, time, until, draw.draws(rows, "reason"), draw.draws(rows, "chance"))
    return [
        Reason.DISAGREEMENT if row.by_proposal < row.by_pattern and reason is not Reason.RANDOM else reason
        for row, reason in zip(rows, by_pattern, strict=True)
    ]
