"""Places that fsspec reaches by URL: asked once, within bounds, whether they are there."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from beambell.errors import BeamBellError, InputError

WAIT_S = 30.0
"""Longest wait for a place's first answer: what libraries wait adds up to many minutes."""

_MAGIC = re.compile(r"[*?\[{]")
_MOST = 300  # characters of what a library says
_GONE = frozenset({404, 410})
_reached: set[str] = set()  # by this process; what fails later says so by itself


def reach(url: str, *, where: str | None = None, kind: type[BeamBellError] = InputError) -> tuple[Any, str]:
    """Open the file system of a URL, after it has answered.

    Parameters
    ----------
    url
        A URL, or a glob with one.
    where
        Name of the URL in messages.
    kind
        The error of a place that cannot be reached.

    Returns
    -------
    (file system, path)
        Parts of the URL, as fsspec splits it; listings are never cached, for others deliver while we run.

    Raises
    ------
    BeamBellError
        Of that kind: a place that is not there, does not answer, refuses, or needs a package that is not installed.
    """
    import fsspec

    with reaching(where or url, kind):
        if url in _reached:
            return fsspec.core.url_to_fs(url, use_listings_cache=False)  # type: ignore[no-any-return]
        found = _within(WAIT_S, lambda: _first_answer(url))
    _reached.add(url)
    return found  # type: ignore[no-any-return]


@contextmanager
def reaching(where: str, kind: type[BeamBellError] = InputError) -> Iterator[None]:
    """Say of any error of a place that it cannot be reached, and why.

    Raises
    ------
    BeamBellError
        Of that kind.
    """
    try:
        yield
    except BeamBellError:
        raise
    except Exception as error:  # noqa: BLE001 - each library has its own
        raise kind(f"it cannot be reached: {_why(error)}", where=where, fix=_fix(error)) from None


def open_file(url: str, *, where: str | None = None, **options: Any) -> Any:
    """Open a file by path or URL for reading.

    Raises
    ------
    InputError
        If it cannot be reached; what fails while it is read is raised as it is.
    """
    import fsspec

    with reaching(where or url):
        return fsspec.open(url, "rb", **options).open()


def _first_answer(url: str) -> tuple[Any, str]:
    """Open the file system, and ask it for what the URL begins with: few of them ask for anything when opened."""
    import fsspec

    fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    start = _MAGIC.split(path, maxsplit=1)[0]
    if "s3" in protocols:
        bucket, _, prefix = start.partition("/")
        fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
    elif not protocols.isdisjoint({"http", "https"}):
        try:
            fs.info(start if start == path else start.rpartition("/")[0] + "/")
        except FileNotFoundError as error:  # fsspec says so of whatever fails
            if error.__cause__ is not None and getattr(error.__cause__, "status", None) not in _GONE:
                raise error.__cause__ from None
    else:
        with suppress(FileNotFoundError):  # of a folder that nothing was delivered to yet
            fs.info(start.rpartition("/")[0] or start)
    return fs, path


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what a call returns; give up on it in time: its thread ends with the process."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append((call(), None))
        except Exception as error:  # noqa: BLE001 - handed on
            outcome.append((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:_MOST] or type(error).__name__


def _fix(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "install that package where BeamBell runs (pip install beambell[s3] for s3://)"
    if isinstance(error, PermissionError) or getattr(error, "status", None) in {401, 403}:
        return "check the credentials in the environment, and what they may read; then run again"
    return "check its name, the network, and endpoints in the environment (AWS_ENDPOINT_URL); then run again"
