"""One writer among machines: whoever holds the lease is alone, and a holder that falls silent loses it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import uuid

import pytest

from beambell import Project
from beambell.errors import LockedError
from beambell.store import Files
from beambell.store.conditional import S3Object
from beambell.store.lease import Lease

SECONDS = 2.0


@pytest.fixture
def lock(s3):
    """A new object to compete for."""
    return S3Object(s3, f"s3://bucket/{uuid.uuid4().hex}/.lease")


def write_until_refused(path: str, ready, refused) -> None:
    """Another machine: it writes every few milliseconds while it may."""
    import fsspec

    fs = fsspec.filesystem("s3", use_listings_cache=False)
    lease, number = Lease(S3Object(fs, path), SECONDS), 0
    try:
        with lease.held(timeout=0):
            while True:
                lease.check()
                fs.pipe_file(f"{path}-{number:06d}", b"")
                number += 1
                ready.set()
                time.sleep(0.02)
    except LockedError:
        refused.set()


@pytest.fixture
def elsewhere(lock):
    """A process that holds the lease and writes, and what it tells."""
    context = multiprocessing.get_context("spawn")
    ready, refused = context.Event(), context.Event()
    process = context.Process(target=write_until_refused, args=(lock.path, ready, refused))
    process.start()
    assert ready.wait(60)
    yield process, refused
    process.kill()
    process.join()


def test_the_holder_is_named_and_keeps_it(lock, elsewhere):
    process, _ = elsewhere
    with (
        pytest.raises(LockedError, match=rf"another machine is writing .*process {process.pid} on ") as caught,
        Lease(lock, SECONDS).held(timeout=2 * SECONDS),
    ):
        pass
    assert lock.path in str(caught.value)


def test_a_holder_that_is_killed_loses_it(lock, elsewhere):
    process, _ = elsewhere
    process.kill()
    started = time.monotonic()
    with Lease(lock, SECONDS).held(timeout=60):
        assert time.monotonic() - started > SECONDS
    assert lock.read() is None


def test_a_holder_that_slept_writes_no_more(s3, lock, elsewhere):
    process, refused = elsewhere
    os.kill(process.pid, signal.SIGSTOP)
    with Lease(lock, SECONDS).held(timeout=60):
        before = s3.glob(f"{lock.path}-*")
        os.kill(process.pid, signal.SIGCONT)
        assert refused.wait(60)
        process.join()
        assert len(s3.glob(f"{lock.path}-*")) <= len(before) + 1  # a request may have been under way
        assert lock.read() is not None  # what it does not hold, it does not remove


def test_one_at_a_time(s3, lock):
    def add_one() -> None:
        for _ in range(3):
            with Lease(lock, 5.0).held(timeout=120):
                s3.pipe_file(counter, b"%d" % (int(s3.cat_file(counter)) + 1))

    counter = f"{lock.path}-counter"
    s3.pipe_file(counter, b"0")
    machines = [threading.Thread(target=add_one) for _ in range(5)]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join()
    assert s3.cat_file(counter) == b"15"


@pytest.mark.parametrize("torn", [b"", b'{"holder": {"pid": 1}}'])
def test_a_lease_nobody_can_read_ends_as_well(lock, torn):
    assert lock.write(torn, None)
    with pytest.raises(LockedError, match="another program"), Lease(lock, SECONDS).held(timeout=0):
        pass
    with Lease(lock, SECONDS).held(timeout=60):
        pass


class AnswersGetLost(S3Object):
    """Every other time the network fails just after a request got through, and it is sent again."""

    requests = 0

    def write(self, data, tag):
        answer = super().write(data, tag)
        self.requests += 1
        return super().write(data, tag) if self.requests % 2 else answer


def test_a_request_whose_answer_got_lost_counts(lock, s3):
    lease = Lease(AnswersGetLost(s3, lock.path), SECONDS)
    with lease.held(timeout=0):
        time.sleep(2 * SECONDS)
        lease.check()


class Unreachable(S3Object):
    """The network fails for good once the lease is held."""

    def write(self, data, tag):
        if tag is not None:
            raise OSError("no route to host")
        return super().write(data, tag)


def test_who_cannot_renew_stops_writing(lock, s3):
    lease = Lease(Unreachable(s3, lock.path), SECONDS)
    with lease.held(timeout=0):
        lease.check()
        time.sleep(SECONDS)
        with pytest.raises(LockedError, match="could not renew its lease in time"):
            lease.check()


class Blind(S3Object):
    """A store that ignores conditions."""

    def write(self, data, tag):
        return self._fs.call_s3("put_object", **self._object, Body=data)["ETag"]


def test_a_store_that_ignores_conditions_is_refused(lock, s3):
    with pytest.raises(LockedError, match="lock: machine"), Lease(Blind(s3, lock.path)).held(timeout=0):
        pass
    assert lock.read() is None


def test_two_folders_with_one_data_root_are_two_machines(lock, tmp_path, monkeypatch):
    monkeypatch.setenv("BEAMBELL__DATA", lock.path.removesuffix("/.lease"))
    text = "project: p\nclasses: [a, b]\nstreams: {s: {inputs: [raw/*.csv]}}\nlfs: {files: [lfs.yaml]}\n"
    projects = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "params.yaml").write_text(text)
        projects.append(Project(tmp_path / name))
    one, other = projects
    with one.writing():
        one.store.files.stage("half", b"written")
        with pytest.raises(LockedError, match="another machine"), other.writing(timeout=0):
            pass
        assert one.store.files.exists(".staging/half")
    with other.writing(timeout=0):
        pass
    monkeypatch.setenv("BEAMBELL__LOCK", "machine")
    with one.writing(), Project(tmp_path / "other").writing(timeout=0):
        pass
    assert list(one.store.files.walk("")) == []


def test_where_no_lease_can_be_the_machine_s_lock_remains():
    files = Files(f"memory://{uuid.uuid4().hex}")
    with files.leased(timeout=0), files.leased(timeout=0):
        files.write("a", b"1")
