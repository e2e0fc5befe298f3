"""The desk: what one place does for a whole live job: it closes partitions, fits, and says how things are."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

from beambell.live.clock import spell_micros
from beambell.live.closed import close, closed_partitions, read_closed
from beambell.live.corrections import Corrections
from beambell.live.feedback import FeedbackReader
from beambell.live.fence import Order
from beambell.live.folder import LiveFolder
from beambell.live.keeper import Keeper, Tally
from beambell.live.labeler import RAN
from beambell.live.learner import Learner
from beambell.live.models import Version, current
from beambell.live.refit import Refitter
from beambell.live.segments import Landing
from beambell.live.worker import MISSED, Worker, open_source, worker_of
from beambell.store import Layout

STATUS = "status.json"
TOPICS = "topics.json"
"""File of each stream with its emerging topics."""
_STATUS_S = 1.0
_TOPICS_S = 5.0
_FEEDBACK_S = 0.5
_MISSED_S = 5.0


class Desk:
    """The keeper of a job, and what follows from what it keeps.

    Parameters
    ----------
    worker
        Worker of the same process.
    """

    def __init__(self, worker: Worker) -> None:
        project, live = worker.project, worker.live
        self._worker, self._live = worker, live
        self._folder = LiveFolder(project.store.files, Layout.LIVE)
        closed = {stream: closed_partitions(project.store, stream) for stream in live.streams}
        self._learner = Learner(project) if live.model.on else None
        self.keeper = Keeper(worker.labeler.names, project.params.cardinality, live, closed, self._learner)
        self._refitter = Refitter(project, worker.labeler.lfs)
        self._feedback = FeedbackReader(project, open_source(project, live.feedback)) if live.feedback else None
        self._corrections = Corrections(project, worker.labeler, worker.outlet)
        self._began = time.time()
        self._fitted = self._told = self._asked = self._late = self._summed = 0.0
        self._version: Version | None = current(project.store)
        self._has_ended = False
        self.lock = threading.RLock()

    def add(self, tally: Tally) -> None:
        """Count a micro-batch."""
        self.keeper.add(tally)

    def tick(self, parts: Iterable[tuple[str, str]] | None = None, now: float | None = None) -> None:
        """Do what is due.

        Parameters
        ----------
        parts
            Streams and names of all parts that there are now; by default the worker's own look at the sources.
        now
            Time of day, seconds since 1970.
        """
        now = time.time() if now is None else now
        order = self._worker.fence.order()
        if order is Order.LAND and self._is_landed():
            self.end()
        if self._has_ended or order is not Order.WORK:
            return
        for stream, part in self._worker.parts() if parts is None else parts:
            self.keeper.expect(stream, [part], now)
        self._close(now)
        if missed := self.keeper.missed(now, _MISSED_S):
            self._folder.write_json(MISSED, missed)
        if self._feedback is not None and now - self._asked >= _FEEDBACK_S:
            self._asked = now
            events = self._feedback.poll(self._live.batch)
            if events.num_rows:
                self.keeper.add_events(events)
                self._corrections.answered(self.keeper)
                if self._learner is not None:
                    self._learner.answered(events)
        if now - self._fitted >= self._live.refit_s:
            self._fitted = now
            self._fit()
        self._corrections.refitted(self.keeper)
        if self._learner is not None:
            self._learner.look(self._folder.read(RAN))
            self._learner.publish(now)
        if now - self._told >= _STATUS_S:
            self._told = now
            self._tell(now)

    def _is_landed(self) -> bool:
        """Whether all that was counted is landed."""
        landings = {stream: Landing(self._worker.project.store, stream) for stream in self._live.streams}
        return all(
            (landings[stream].position(part) or 0) >= after for (stream, part), after in self.keeper.positions().items()
        )

    def _tell(self, now: float) -> None:
        self._folder.write(STATUS, json.dumps(self.status(now), ensure_ascii=False).encode())
        if now - self._summed >= _TOPICS_S:
            self._summed = now
            for stream, topics in self.keeper.topics.items():
                self._folder.at(stream).write_json(TOPICS, topics.to_dict())

    def end(self) -> None:
        """Land answers, and say that the job ended in good order; once."""
        with self.lock:
            if not self._has_ended:
                self._has_ended = True
                self._end()

    def _end(self) -> None:
        if self._feedback is not None:
            self._feedback.land()
        self._folder.write(STATUS, json.dumps({**self.status(time.time()), "state": "stopped"}).encode())

    def _fit(self) -> None:
        try:
            version = self._refitter.fit(self.keeper)
        except Exception as error:  # noqa: BLE001 - labels go on with the label model before
            self._refitter.trouble = f"the label model cannot be fitted: {type(error).__name__}: {error}"
            return
        self._version = version or self._version

    def _close(self, now: float) -> None:
        store = self._worker.project.store
        for partition, until in self.keeper.close_due(now).items():
            close(store, partition, until, self.keeper.open_counts()[partition].n_rows)
        if now - self._late >= self._live.segment.seconds:
            self._late = now
            for partition, until in self.keeper.take_late().items():
                before = read_closed(store, partition)
                close(store, partition, until, before.rows if before else 0)

    def status(self, now: float) -> dict[str, Any]:
        """Return the state of the job as plain JSON values."""
        version = self._version
        opened = self.keeper.open_counts()
        return {
            "state": "running",
            "process": os.getpid(),
            "began": self._began,
            "at": now,
            "lfs": self._worker.labeler.lfs[:16],
            "label_model": None if version is None else {**version.to_dict(), "name": version.name},
            "trouble": [said for said in self._troubles() if said],
            "online_model": None if self._learner is None else self._learner.status(),
            "streams": {stream: self._stream(stream, now) for stream in self._live.streams},
            "open": {str(one): counts.n_rows for one, counts in opened.items() if one not in self.keeper.closing},
            "closing": [str(one) for one in self.keeper.closing],
            "repeated": self.keeper.repeated,
            "feedback": None
            if self._feedback is None
            else {
                **self._feedback.figures,
                "error": self._feedback.error,
                "events": self.keeper.events.num_rows,
                "said again": self._corrections.said,
                "of rows that are not recent": self._corrections.elsewhere,
            },
        }

    def _troubles(self) -> list[str]:
        learner = self._learner.trouble if self._learner else ""
        return [self._refitter.trouble, *self._worker.trouble, learner]

    def _stream(self, stream: str, now: float) -> dict[str, Any]:
        clock, rates = self.keeper.clocks[stream], self.keeper.rates[stream]
        return {
            "rows": rates.rows,
            "rows_per_s": round(rates.per_second(now), 1),
            "p50_ms": rates.percentile(0.5),
            "p99_ms": rates.percentile(0.99),
            "low": spell_micros(clock.low(now)),
            "stalled": clock.stalled(now),
            "late": dict(rates.late),
            "figures": dict(rates.figures),
            "parts": {
                name: {
                    "high": spell_micros(part.high),
                    "behind": part.behind,
                    "idle": part.is_idle(now, clock.idle_s),
                    "error": part.error,
                }
                for name, part in sorted(clock.parts.items())
            },
        }


_desks: dict[str, Desk] = {}
_opening = threading.Lock()


def desk_of(folder: str, *, anew: bool = False) -> Desk:
    """Return this process's desk for the project in a folder; the first call makes it.

    Parameters
    ----------
    folder
        Folder of the project.
    anew
        Whether to make another in its place: what it knows is old, because another process did its work meanwhile.
    """
    with _opening:
        if anew or folder not in _desks:
            _desks[folder] = Desk(worker_of(folder))
        return _desks[folder]


def is_at_work(folder: str) -> bool:
    """Whether this process has a desk for the project in a folder."""
    return folder in _desks
