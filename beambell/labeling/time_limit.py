"""Stop Python code that takes too long, in the thread it runs in.

A timer asks the interpreter to raise `Stopped` in the evaluating thread. That reaches any Python code, an endless loop
included, whatever ``except Exception`` is around it. Code that catches `BaseException` and goes on is not stopped.

It does not reach C code that never returns to the interpreter, such as one catastrophic ``re.search``: it is raised
once that call is over. Nothing within the process could do better. ``re`` keeps the interpreter's lock for the whole
search, so that not even the timer runs meanwhile; what it does look out for is signals, but Python handles these in the
main thread only, where no worker of Beam is (and where Ctrl-C does end the search); and a thread that is killed would
leave its locks held for ever. The remedy is the ``regex`` kind: where it is compiled, a text is read once. So
`beambell.labeling.apart` has Python vote in another process, and kills that.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TOO_SLOW: Final = "stopped: it took longer than lfs.time_limit_s in params.yaml allows for one batch of rows"
"""What is recorded of rows on which the time was up."""


class Stopped(BaseException):
    """Raised at any point of code that took too long."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `Stopped` in this thread, unless the block is left within so many seconds; ``None`` sets no limit.

    Catch it outside of the block, for it may also be raised on the way out. After that it is never raised.
    """
    if seconds is None:
        yield
        return
    watch = _Watch(threading.get_ident())
    timer = threading.Timer(seconds, watch.fire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        watch.end()
        timer.cancel()


class _Watch:
    def __init__(self, thread: int) -> None:
        self._thread = ctypes.c_ulong(thread)
        self._lock = threading.Lock()
        self._on = True

    def fire(self) -> None:
        with self._lock:
            if self._on:
                self._on = False
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, ctypes.py_object(Stopped))

    def end(self) -> None:
        with self._lock:
            if self._on:
                self._on = False
                return
        # It has fired: take back what has not been raised yet.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, None)


def too_slow(stop: Stopped) -> TimeoutError:
    """Return what is recorded: an ordinary exception that knows where the code was."""
    return TimeoutError(TOO_SLOW).with_traceback(stop.__traceback__)
