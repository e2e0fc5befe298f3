"""The JSON document of a command: the only thing on its stdout, whatever else prints."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO

from beambell.visible import in_json

_STDOUT, _STDERR = 1, 2
_documents: list[str] | None = None  # what waits to be written, while nobody else may write to stdout


def write_document(value: Any) -> None:
    """Write a value as a JSON document: at once, or when stdout is given back; then only the last that was written."""
    text = encoded(value) + "\n"
    if _documents is None:
        sys.stdout.write(text)
    else:
        _documents.append(text)


def encoded(value: Any) -> str:
    """Encode as JSON that every reader takes, and no terminal obeys: a number that is none becomes null."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
        text = json.dumps(finite, indent=2, ensure_ascii=False)
    return in_json(text)


@contextmanager
def alone_on_stdout(*, for_good: bool = False) -> Iterator[None]:
    """Keep stdout for one document, written at the end; all else goes to stderr.

    All else: ``print`` in a labeling function, in a library, in C, in a child process. So the file descriptor itself is
    turned aside, not only Python's name for it.

    Parameters
    ----------
    for_good
        Leave it turned aside: this process is about to end, and what prints then must not follow the document.
    """
    global _documents
    shown, kept = sys.stdout, _turn_aside()
    before, _documents = _documents, []
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        written, _documents = _documents, before
        _write(written[-1] if written else "", shown, kept)
        if kept is not None:
            if not for_good:
                _flush_all()
                os.dup2(kept, _STDOUT)
            os.close(kept)


def _turn_aside() -> int | None:
    """Let file descriptor 1 lead to stderr, or nowhere if that is closed; returns where it led, ``None`` if nowhere."""
    _flush_all()
    try:
        kept = os.dup(_STDOUT)
    except OSError:
        return None
    try:
        os.dup2(_STDERR, _STDOUT)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDOUT)
        os.close(nowhere)
    return kept


def _write(text: str, shown: TextIO | None, kept: int | None) -> None:
    """Write to where stdout led; what stood in for it in Python (a notebook, a test) is that place."""
    if kept is None or not _is_stdout(shown):
        if shown is not None:  # as it is where the caller closed it
            shown.write(text)
        return
    data = memoryview(text.encode())
    with suppress(BrokenPipeError):  # whoever read it has seen enough
        while data:
            data = data[os.write(kept, data) :]


def _is_stdout(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.fileno() == _STDOUT
    except (OSError, ValueError, AttributeError):
        return False


def _flush_all() -> None:
    """Let go what Python and C hold back, before file descriptors change their places."""
    for stream in (sys.stdout, sys.__stdout__):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
