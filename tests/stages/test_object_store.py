"""The whole way on an S3 API: raw files, gold and artefacts in buckets; the same bytes as on a local disk."""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from histories import aggregate, put_rows
from projects import change_params, run_stages, small_project, write_params

from beambell import Project
from beambell.artefacts.gc import find_garbage, remove_garbage
from beambell.artefacts.verify import verify
from beambell.stages.aggregate import plan as plan_aggregate
from beambell.stages.order import STAGES
from beambell.store import Files, Layout, Manifest, Partition, Store
from beambell.store import remote as backend
from beambell.store.tables import ROW_GROUP_ROWS, read_rows, write_table

LFS = """
- {kind: regex, name: link, pattern: 'https?://|www', label: spam}
- {kind: keyword, name: begs, any_of: [subscribe, channel, free, click], label: spam}
- {kind: length, name: brief, max: 60, label: ham}
"""


@pytest.fixture(scope="module")
def raw_in_s3(s3, tmp_path_factory):
    """A project that reads raw files and gold from the bucket, and writes to a local disk."""
    folder = small_project(
        tmp_path_factory.mktemp("s3") / "project",
        days=1,
        scale=0.04,
        label_model={"kind": "majority", "options": {}},
    )
    (folder / "lfs.yaml").write_text(LFS)
    change_params(folder, lfs={"modules": [], "files": ["lfs.yaml"]})
    streams = {name: {"inputs": [f"s3://bucket/raw/{name}/{{dt}}.*"]} for name in ("comments", "messages")}
    change_params(folder, streams=streams, evaluation={"gold": ["s3://bucket/gold/*.parquet"]})
    for name in ("raw", "gold"):
        s3.put(f"{folder / 'data' / name}/", f"s3://bucket/{name}/", recursive=True)
        shutil.rmtree(folder / "data" / name)
    return folder


@pytest.fixture(scope="module")
def local(raw_in_s3, tmp_path_factory):
    folder = shutil.copytree(raw_in_s3, tmp_path_factory.mktemp("local") / "project")
    run_stages(folder)
    return folder


@pytest.fixture(scope="module")
def remote(raw_in_s3, tmp_path_factory):
    folder = shutil.copytree(raw_in_s3, tmp_path_factory.mktemp("remote") / "project")
    change_params(folder, data="s3://bucket/team/data")
    run_stages(folder)
    return folder


def contents(store: Store) -> dict[str, bytes]:
    """Every file below the data root."""
    return store.files.read_many(list(store.files.walk("")))


def test_the_same_bytes_as_on_a_disk(local, remote):
    expected, found = contents(Project(local).store), contents(Project(remote).store)
    assert sorted(found) == sorted(expected)
    assert found == expected
    assert any(name.startswith("models/registry/spam/v0001/") for name in found)


def test_nothing_is_left_on_this_machine(remote):
    assert not (remote / "data").exists() or list((remote / "data").rglob("*.parquet")) == []


def test_nothing_is_done_twice_and_new_files_are_seen(s3, remote):
    project = Project(remote)
    assert [stage.plan(project, project.select()).tasks for stage in STAGES] == [()] * len(STAGES)
    s3.pipe_file("bucket/raw/comments/2026-01-02.csv", b"comment_id,text,created_at\nx,hello,2026-01-02T10:00:00Z\n")
    try:
        assert [task.key for task in STAGES[0].plan(project, project.select()).tasks] == [
            "s3://bucket/raw/comments/2026-01-02.csv"
        ]
    finally:
        s3.rm_file("bucket/raw/comments/2026-01-02.csv")


def test_a_person_reads_it_as_from_a_disk(local, remote):
    for look in ("rows", "votes", "labels"):
        first, second = (getattr(Project(folder), look)("comments", "2026-01-01") for folder in (local, remote))
        assert first.equals(second)


def test_damage_is_named_and_mended(s3, remote):
    project = Project(remote)
    folder = Layout.of(Layout.LABELS, Partition("comments", "2026-01-01"))
    ref = project.store.read(folder).files["labels"]
    before, url = contents(project.store), f"bucket/team/data/{folder}/{ref.name}"
    data = bytearray(s3.cat_file(url))
    data[100] ^= 4
    s3.pipe_file(url, bytes(data))
    assert verify(project.store).errors == ()
    (finding,) = verify(project.store, deep=True).errors
    assert finding.where == f"{folder}/{ref.name}"
    for name in (finding.where, f"{folder}/manifest.json"):
        assert name in finding.fix
        project.store.files.remove(name)
    run_stages(remote)
    assert contents(project.store) == before


def test_garbage_is_found_and_nothing_else(remote):
    store = Project(remote).store
    assert find_garbage(store).files == {}
    store.put(Layout.STATE, "patterns", ".parquet", b"nobody names me")
    garbage = find_garbage(store)
    assert [name.partition("-")[0] for name in garbage.files] == ["state/patterns"]
    assert find_garbage(store, grace_s=3600).files == {}
    remove_garbage(store, garbage)
    assert find_garbage(store).files == {}


@pytest.mark.parametrize("root", ["s3://bucket/half", "memory://half"])
def test_half_a_file_never_appears(s3, root):
    files = Files(f"{root}/{uuid.uuid4().hex}")
    with pytest.raises(RuntimeError), files.sealed("votes", "votes", ".parquet") as sealing:
        sealing.sink.write(b"half" * 100_000)
        raise RuntimeError
    assert files.walk("") == {}


@pytest.mark.parametrize("root", ["s3://bucket/many", "memory://many"])
def test_a_hundred_manifests_take_few_requests(s3, root, monkeypatch):
    store = Store(f"{root}/{uuid.uuid4().hex}")
    for day in range(100):
        place = Partition("a", f"2026-{1 + day // 25:02d}-{1 + day % 25:02d}")
        store.publish(Layout.of(Layout.VOTES, place), Manifest("votes", facts={"day": day}))
    requests = count_requests(monkeypatch)
    fresh = Store(store.files.root)
    assert len(fresh.partitions(Layout.VOTES)) == 100
    first = len(requests)
    assert len(fresh.partitions(Layout.VOTES)) == 100
    if root.startswith("s3"):
        assert first <= 102  # one listing, and each manifest once, side by side
        assert len(requests) - first <= 2  # one listing


def test_what_was_read_before_is_remembered_for_later_processes(s3, monkeypatch, tmp_path):
    root = f"s3://bucket/{uuid.uuid4().hex}"
    places = [Partition("a", f"2026-01-{day:02d}") for day in range(1, 31)]
    store = Store(root)
    for place in places:
        store.publish(Layout.of(Layout.VOTES, place), Manifest("votes", facts={"revision": 1}))
    before = Store(root, tmp_path).partitions(Layout.VOTES)
    requests = count_requests(monkeypatch)
    again = Store(root, tmp_path).partitions(Layout.VOTES)
    assert again == before
    assert [again[place].id for place in places] == [before[place].computed_id for place in places]
    assert len(requests) == 1  # the listing
    store.publish(Layout.of(Layout.VOTES, places[3]), Manifest("votes", facts={"revision": 2}))
    store.files.remove(f"{Layout.of(Layout.VOTES, places[4])}/manifest.json")
    requests.clear()
    now = Store(root, tmp_path).partitions(Layout.VOTES)
    assert now.keys() == before.keys() - {places[4]}
    assert {place for place in now if now[place] != before[place]} == {places[3]}
    assert len(requests) == 2
    (tmp_path / "manifests" / "votes.json").write_text('{"about": ')  # a disk that was full, say
    assert Store(root, tmp_path).partitions(Layout.VOTES) == now
    assert Store(root.replace("bucket/", "bucket/x"), tmp_path).partitions(Layout.VOTES) == {}


def test_a_clock_is_no_proof_of_content(tmp_path):
    store = Store(f"memory://{uuid.uuid4().hex}", tmp_path)
    store.publish("votes/stream=a/dt=2026-01-01", Manifest("votes"))
    assert len(store.partitions(Layout.VOTES)) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("root", ["s3://bucket/parts", "memory://parts"])
def test_of_a_large_file_little_more_is_read_than_is_asked_for(s3, root, monkeypatch):
    store = Store(f"{root}/{uuid.uuid4().hex}")
    noise = np.random.default_rng(0).bytes(8 * 4 * ROW_GROUP_ROWS)
    table = pa.table({name: np.frombuffer(noise, np.int64) for name in ("a", "b", "c")})
    ref = write_table(store, "rows", "rows", table)
    monkeypatch.setattr(backend, "WHOLE", 0)
    monkeypatch.setattr(backend, "READ_AHEAD", 1 << 17)
    requests = count_requests(monkeypatch)
    read = read_rows(store, "rows", ref, ROW_GROUP_ROWS, 2 * ROW_GROUP_ROWS, ["a", "b"])
    assert read.equals(table.slice(ROW_GROUP_ROWS, ROW_GROUP_ROWS).select(["a", "b"]))
    if root.startswith("s3"):
        assert len(requests) == 3  # its size, the footer, and the columns, which lie side by side
        parts = [map(int, part) for request in requests for part in re.findall(r"=(\d+)-(\d+)", request)]
        assert sum(last - first for first, last in parts) < ref.bytes / 4


def count_requests(monkeypatch) -> list[str]:
    """Note each request to S3 from now on: operation, object or folder, and which bytes of it are asked for."""
    from aiobotocore.client import AioBaseClient

    requests: list[str] = []
    call = AioBaseClient._make_api_call

    async def counted(self, operation_name, api_params):
        about = api_params.get("Key", api_params.get("Prefix"))
        requests.append(" ".join(filter(None, [operation_name, about, api_params.get("Range")])))
        return await call(self, operation_name, api_params)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", counted)
    return requests


def test_a_status_without_work_takes_few_requests(remote, monkeypatch):
    requests = count_requests(monkeypatch)
    project = Project(remote)

    def status() -> list[str]:
        before = len(requests)
        with project.store.files.looked_at_once():
            assert not any(stage.plan(project, project.select()).tasks for stage in STAGES)
        return requests[before:]

    cold = status()
    listings = [name for name in cold if name.startswith("List")]
    artefacts = [name for name in listings if name.split()[1] in ("team/data/partitions/", "team/data/published/")]
    assert len(set(artefacts)) == len(artefacts) == 2
    assert len(listings) <= 2 * len(STAGES)  # whatever the history
    manifests = len([name for name in project.store.files.walk("") if name.endswith("/manifest.json")])
    assert len(cold) - len(listings) <= manifests + 12  # each once, and the few that are asked for by name
    assert len(status()) <= 3 * len(STAGES)


def test_what_this_process_changes_is_looked_at_again(remote):
    files = Project(remote).store.files
    with files.looked_at_once():
        assert (files.read("scratch.json"), files.walk("scratch")) == (None, {})
        files.write("scratch.json", b"1")
        files.write("scratch/a", b"1")
        assert (files.read("scratch.json"), list(files.walk("scratch"))) == (b"1", ["scratch/a"])
        files.walk("scratch").clear()  # a caller's own copy
        assert list(files.walk("scratch")) == ["scratch/a"]
        with files.looked_at_once(once=False):
            Project(remote).store.files.remove("scratch/a")  # as another process does
            assert files.walk("scratch") == {}
        assert files.walk("scratch") == {}
        files.remove("scratch.json")
        assert files.read("scratch.json") is None


STATEFUL = """
from beambell.labeling import stateful_labeling_function
from beambell.labeling.aggregates import count

@stateful_labeling_function(key="author", aggregate=count(), label=1)
def busy(row, past):
    return past >= 2
"""


def test_of_each_past_table_s_manifest_one_request(s3, tmp_path, monkeypatch):
    write_params(
        tmp_path,
        {
            "project": "past",
            "classes": ["ham", "spam"],
            "streams": {"a": {"fields": {"author": "string"}, "inputs": ["data/raw/{dt}.csv"]}},
            "lfs": {"modules": ["past_lfs"]},
            "data": f"s3://bucket/{uuid.uuid4().hex}",
        },
    )
    (tmp_path / "past_lfs.py").write_text(STATEFUL)
    project = Project(tmp_path)
    for day in range(1, 13):
        put_rows(project, Partition("a", f"2026-01-{day:02d}"), [{"author": "ann"}, {"author": "bob"}])
    aggregate(project)
    put_rows(project, Partition("a", "2026-01-01"), [{"author": "late"}])
    shutil.rmtree(project.volatile / "manifests")  # as on a machine that was never here
    requests = count_requests(monkeypatch)
    project = Project(tmp_path)
    assert len(plan_aggregate(project, project.select()).tasks) == 3  # the day, and what it is summed in
    asked = [name for name in requests if "/aggregates/" in name and name.endswith("manifest.json")]
    assert len(asked) == len(set(asked)) > 12
    assert len([name for name in requests if name.startswith("List") and "/aggregates/" in name]) <= 2


def test_memory_takes_the_driver_s_part(local, tmp_path):
    """What needs no Beam runs on memory://, from artefacts that were made elsewhere."""
    root = f"memory://{uuid.uuid4().hex}"
    folder = shutil.copytree(local, tmp_path / "project")
    source = Project(local).store
    target = Store(root)
    for name, data in contents(source).items():
        if name.startswith(("partitions/", "votes/", "deliveries/", "lfs/")):
            target.files.write(name, data)
    change_params(folder, data=root)
    run_stages(folder, "merge", "fit")
    for kind in (Layout.STATE, Layout.LABEL_MODEL):
        assert target.read(kind) == source.read(kind)
    assert verify(target, deep=True).errors == ()


def test_credentials_are_no_parameters(remote):
    assert "secret" not in Path(remote / "params.yaml").read_text().lower()
