"""One writer: who holds the lock is named, and a holder that dies lets go of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import time

import pytest

from beambell.errors import LockedError
from beambell.store import write_lock
from beambell.store.lock import Holder


def hold(folder, ready) -> None:
    with write_lock(folder, timeout=0):
        ready.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a folder."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_the_holder_is_named(holder, tmp_path):
    with (
        pytest.raises(LockedError, match=rf"process {holder.pid} on .*since 20.*is writing") as caught,
        write_lock(tmp_path, timeout=0.1),
    ):
        pass
    assert str(tmp_path / "lock") in str(caught.value)


def test_a_holder_that_is_killed_lets_go(holder, tmp_path):
    holder.kill()
    holder.join()
    with write_lock(tmp_path, timeout=0):
        assert Holder.read(tmp_path / "holder.json").pid == os.getpid()


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ({"pid": 1, "host": "elsewhere", "since": 0.0}, "another machine .* on elsewhere, since 1970-01-01"),
        ("torn", "another process is writing"),
    ],
)
def test_what_is_not_known_is_not_claimed(holder, tmp_path, note, words):
    (tmp_path / "holder.json").write_text(note if isinstance(note, str) else json.dumps(note))
    with pytest.raises(LockedError, match=words), write_lock(tmp_path, timeout=0.1):
        pass


def test_a_note_of_a_process_that_is_gone_is_told_apart(holder, tmp_path):
    gone = multiprocessing.get_context("spawn").Process(target=print)
    gone.start()
    gone.join()
    note = json.loads((tmp_path / "holder.json").read_text()) | {"pid": gone.pid}
    (tmp_path / "holder.json").write_text(json.dumps(note))
    with pytest.raises(LockedError, match="last known holder is gone") as caught, write_lock(tmp_path, timeout=0.1):
        pass
    assert "fuser" in str(caught.value)


def test_an_error_inside_is_not_mistaken_for_a_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), write_lock(tmp_path, timeout=0):
        raise ZeroDivisionError
    with write_lock(tmp_path, timeout=0):
        pass
