"""Work done side by side where requests take a while, and one after the other on a disk."""

from __future__ import annotations

import threading
import uuid

import pytest

from beambell.store import Files
from beambell.store.remote import AT_ONCE


def remote() -> Files:
    return Files(f"memory://{uuid.uuid4().hex}")


def test_results_come_in_the_order_of_the_items():
    first_waits = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_waits.wait(10)  # for a later one: they run side by side
        else:
            first_waits.set()
        return item * item

    assert list(remote().each(work, range(20))) == [i * i for i in range(20)]


def test_a_disk_is_asked_in_this_thread_one_item_after_the_other(tmp_path):
    files, begun = Files(tmp_path), []
    results = files.each(lambda item: begun.append((item, threading.get_ident())), "ab")
    next(results)
    assert begun == [("a", threading.get_ident())]


def test_no_more_is_begun_than_may_be_held():
    begun: list[int] = []
    results = remote().each(begun.append, range(1000))
    next(results)
    results.close()
    assert 1 <= len(begun) <= AT_ONCE


@pytest.mark.parametrize("bad", [0, 11])
def test_a_failure_is_raised_and_what_has_not_begun_is_left_undone(bad):
    done: list[int] = []

    def work(item: int) -> None:
        if item == bad:
            raise ValueError(item)
        done.append(item)

    with pytest.raises(ValueError, match=str(bad)):
        list(remote().each(work, range(1000)))
    assert len(done) <= bad + AT_ONCE


def test_each_of_no_items_is_nothing(tmp_path):
    for files in (remote(), Files(tmp_path)):
        assert list(files.each(print, [])) == []
