"""One writer among machines that share an object store.

An object store has no locks, but writes an object on condition that it is still the one that was read. The lease is
such an object: it names its holder, who writes it again every few seconds. Whoever finds it unchanged for as long as
it says it lasts may take it over. That time is counted by the waiting machine alone, so no two clocks are compared.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from beambell.errors import LockedError
from beambell.store.conditional import ConditionalObject
from beambell.store.lock import Holder

SECONDS = 60.0
"""How long a lease lasts after its holder was heard of last."""

_RENEWALS = 6  # within the time a lease lasts: some may fail
_SAFE = 0.75  # of that time: by then a holder that was not heard of stops writing
_POLL_S = 1.0


@dataclass(frozen=True)
class _Note:
    """What the object says; ``beat`` changes whenever the holder is heard of."""

    holder: Holder
    token: str
    seconds: float
    beat: int

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> _Note | None:
        try:
            fields = json.loads(data)
            return cls(**{**fields, "holder": Holder(**fields["holder"])})
        except (ValueError, TypeError, KeyError):
            return None  # torn, or of another program: it still lasts as long as one of ours


class Lease:
    """The right to write to a data root, for as long as its holder is heard of.

    Parameters
    ----------
    lock
        The object that machines compete for.
    seconds
        Seconds that the lease lasts after its holder was heard of last.
    """

    def __init__(self, lock: ConditionalObject, seconds: float = SECONDS) -> None:
        self._lock = lock
        self._seconds = seconds
        self._token = uuid.uuid4().hex
        self._beat = 0
        self._tag: str | None = None
        self._heard = 0.0
        self._stop = threading.Event()

    @contextmanager
    def held(self, *, timeout: float) -> Iterator[None]:
        """Hold it.

        Parameters
        ----------
        timeout
            Seconds to wait for another writer.

        Raises
        ------
        LockedError
            If another machine still holds it then, or this object store does not honour conditions.
        """
        self._acquire(timeout)
        renewing = threading.Thread(target=self._renew, name="beambell-lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            self._stop.set()
            renewing.join()
            if self._tag is not None:
                with suppress(OSError):  # it ends by itself
                    self._lock.remove(self._tag)

    def check(self) -> None:
        """See to it that nobody else may be writing; to be called before each write.

        Raises
        ------
        LockedError
            If the lease was lost, or could not be renewed in time.
        """
        if self._tag is None or time.monotonic() - self._heard > _SAFE * self._seconds:
            raise LockedError(
                "this process lost the right to write: it could not renew its lease in time, "
                "as it stood still or could not reach the object store",
                where=self._lock.path,
                fix="run again; what was published is whole, the rest is made anew",
            )

    def _acquire(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        seen, since, lasts = "", 0.0, self._seconds
        while True:
            found, now = self._lock.read(), time.monotonic()
            tag = found[1] if found else None
            note = _Note.from_json(found[0]) if found else None
            if tag is not None and tag != seen:
                seen, since, lasts = tag, now, note.seconds if note else self._seconds
            if tag is None or now - since > lasts:
                self._write(tag)
                if self._tag is not None:
                    self._refuse_blind_stores()
                    return
            if time.monotonic() >= deadline:
                raise self._taken(note, timeout)
            self._stop.wait(min(_POLL_S, self._seconds / _RENEWALS))

    def _write(self, tag: str | None) -> None:
        """Write the object on condition; afterwards ``_tag`` is its tag if it is ours, and ``None`` if it is not."""
        asked = time.monotonic()
        self._beat += 1
        data = _Note(Holder.me(), self._token, self._seconds, self._beat).to_json()
        written = self._lock.write(data, tag)
        if written is None and (mine := self._mine()):  # an earlier request got through, only its answer did not
            written = self._lock.write(data, mine)
        self._tag = written
        if written is not None:
            self._heard = asked

    def _mine(self) -> str | None:
        found = self._lock.read()
        note = _Note.from_json(found[0]) if found else None
        return found[1] if found and note and note.token == self._token else None

    def _renew(self) -> None:
        while self._tag is not None and not self._stop.wait(self._seconds / _RENEWALS):
            with suppress(OSError):  # the next one may get through
                self._write(self._tag)

    def _refuse_blind_stores(self) -> None:
        tag = self._lock.write(b"{}", None)
        if tag is None:
            return
        self._lock.remove(tag)
        self._tag = None
        raise LockedError(
            "this object store ignores conditions on writes, so nothing keeps two machines from writing at once",
            where=self._lock.path,
            fix="let one machine write, and set `lock: machine` in params.yaml",
        )

    def _taken(self, note: _Note | None, timeout: float) -> LockedError:
        who = str(note.holder) if note else "another program"
        lasts = note.seconds if note else self._seconds
        return LockedError(
            f"another machine is writing to this project: {who}; {timeout:.0f} s of waiting were not enough",
            where=self._lock.path,
            fix=f"wait for it to finish, or stop it; the lease ends {lasts:.0f} s after its holder was heard of last",
        )
