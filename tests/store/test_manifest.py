"""Manifests, files and tables: nothing is visible before it is whole, nothing changed goes unnoticed."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import ArtefactError
from beambell.store import FileRef, Manifest, Partition, Store, canonical_json, digest
from beambell.store import tables as tables_module
from beambell.store.arrays import pack_arrays, unpack_arrays
from beambell.store.tables import iter_tables, read_rows, read_table, write_table, write_tables

TABLE = pa.table({"id": ["a", "b", "c"], "n": [1, 2, 3]})
SCHEMA = pa.schema([("id", pa.string()), ("n", pa.int64())])


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    return Store(str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}")


def test_a_manifest_comes_back_as_it_was(store):
    ref = write_table(store, "votes", "votes", TABLE)
    manifest = Manifest("votes", {"votes": ref}, {"rows": "0" * 64}, {"n": 3, "share": 0.25})
    store.publish("votes", manifest)
    assert store.read("votes") == manifest
    assert store.read("votes").id == manifest.id
    assert read_table(store, "votes", ref).equals(TABLE)


def test_the_name_holds_the_digest_and_equal_content_has_an_equal_name(store):
    first, second = (write_table(store, "votes", "votes", TABLE) for _ in range(2))
    assert first == second
    assert first.name == f"votes-{first.sha256[:16]}.parquet"
    assert first.rows == 3


def test_partitions_are_found_in_order(store):
    for dt in ("2026-01-02", "2026-01-01"):
        store.publish(f"votes/{Partition('a', dt).folder}", Manifest("votes", facts={"dt": dt}))
    assert [partition.dt for partition in store.partitions("votes")] == ["2026-01-01", "2026-01-02"]
    assert store.partitions("labels") == {}


def test_what_is_withdrawn_is_not_published_any_more_and_may_be_again(store):
    ref = write_table(store, "votes", "votes", TABLE)
    manifest = store.publish("votes", Manifest("votes", {"votes": ref}))
    for _ in range(2):
        store.withdraw("votes")
        assert store.read("votes") is None
        assert store.under("votes") == {}
    assert read_table(store, "votes", ref).equals(TABLE), "a reader that has just read the manifest"
    store.publish("votes", manifest)
    assert store.under("votes") == {"votes": manifest}


def test_history_keeps_what_was_replaced(store):
    old = store.publish("state", Manifest("state", facts={"rows": 1}), keep_history=True)
    store.publish("state", Manifest("state", facts={"rows": 2}), keep_history=True)
    assert store.revision("state", old.id) == old
    assert store.revision("state", "0" * 64) is None


def test_copies_are_whole_and_idempotent(store):
    ref = write_table(store, "candidates", "labels", TABLE)
    for _ in range(2):
        store.copy("candidates", "labels", [ref])
    assert read_table(store, "labels", ref).equals(TABLE)


def test_what_is_missing_says_which_command_makes_it(store):
    with pytest.raises(ArtefactError, match="beambell merge"):
        store.require("state", "run `beambell merge`")
    with pytest.raises(ArtefactError, match="missing"):
        read_table(store, "votes", FileRef("votes-0.parquet", "", 0, 0))
    with pytest.raises(ArtefactError, match="missing"):
        store.get("votes", FileRef("votes-0.parquet", "", 0, 0))


def test_a_truncated_table_is_named(tmp_path):
    store = Store(str(tmp_path))
    ref = write_table(store, "votes", "votes", TABLE)
    path = tmp_path / "votes" / ref.name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtefactError, match=ref.name):
        read_table(store, "votes", ref)


def test_a_changed_file_is_named(tmp_path):
    store = Store(str(tmp_path))
    ref = store.put("models", "model", ".json", b"{}")
    (tmp_path / "models" / ref.name).write_bytes(b"[]")
    with pytest.raises(ArtefactError, match="not the 2 bytes its manifest names"):
        store.get("models", ref)


@pytest.mark.parametrize(
    "bytes_", [b"", b"{", b"[]", b'{"kind": 1}', b'{"kind":"x","files":{"a":{}},"inputs":{},"facts":{}}']
)
def test_a_broken_manifest_is_named(tmp_path, bytes_):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "manifest.json").write_bytes(bytes_)
    with pytest.raises(ArtefactError, match=r"state/manifest\.json"):
        Store(str(tmp_path)).read("state")


def test_a_writer_that_dies_leaves_nothing(tmp_path):
    store = Store(str(tmp_path))
    with pytest.raises(RuntimeError), store.seal("votes", "votes") as sealed:
        sealed.sink.write(b"half")
        raise RuntimeError
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_rows_are_read_by_range(tmp_path, monkeypatch):
    monkeypatch.setattr(tables_module, "ROW_GROUP_ROWS", 10)
    store = Store(str(tmp_path))
    tables = [pa.table({"n": range(start, start + 25)}) for start in range(0, 50, 25)]
    with store.seal("rows", "rows") as sealed:
        write_tables(sealed, tables[0].schema, tables)
    for start, stop in [(0, 50), (0, 1), (9, 11), (25, 40), (49, 50), (7, 7)]:
        assert read_rows(store, "rows", sealed.ref, start, stop)["n"].to_pylist() == list(range(start, stop))
    assert [table.num_rows for table in iter_tables(store, "rows", sealed.ref)] == [10] * 5


def test_arrays_have_reproducible_bytes_and_never_a_pickle():
    arrays = {"b": np.arange(3.0), "a": np.eye(2, dtype=np.int8)}
    data = pack_arrays(arrays)
    assert data == pack_arrays(dict(reversed(arrays.items())))
    back = unpack_arrays(data, "x")
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)
    with pytest.raises(ValueError, match="Object arrays"):
        pack_arrays({"o": np.array([object()])})
    for broken in (data[:-10], b"", b"not a zip"):
        with pytest.raises(ArtefactError, match="arrays"):
            unpack_arrays(broken, "x")


def test_json_has_one_spelling():
    assert canonical_json({"b": 1, "a": "é"}) == '{\n  "a": "é",\n  "b": 1\n}\n'.encode()
    assert digest({"a": 1, "b": 2}) == digest(json.loads('{"b": 2, "a": 1}'))
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": float("nan")})


def test_names_below_the_root_stay_below(tmp_path):
    store = Store(str(tmp_path / "data"))
    store.files.write("a/b.txt", b"x")
    assert Path(tmp_path, "data", "a", "b.txt").read_bytes() == b"x"
    assert store.files.list("a") == ["b.txt"]
    assert list(store.files.stamps("a", "b.txt")) == ["a"]


@given(st.lists(st.integers(0, 30)), st.integers(1, 12))
def test_where_tables_are_cut_shows_in_no_byte(sizes, row_group):
    whole = pa.table({"id": [str(n) for n in range(sum(sizes))], "n": [n % 3 for n in range(sum(sizes))]}, SCHEMA)
    cuts = [whole.slice(sum(sizes[:i]), size) for i, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(tables_module, "ROW_GROUP_ROWS", row_group)
        store, refs = Store(folder), []
        for tables in (cuts, [whole]):
            with store.seal("rows", "rows") as sealed:
                write_tables(sealed, SCHEMA, tables)
            refs.append(sealed.ref)
        assert refs[0] == refs[1]
        assert [table.num_rows for table in iter_tables(store, "rows", sealed.ref)][:-1] == [row_group] * (
            (whole.num_rows - 1) // row_group
        )
        assert read_table(store, "rows", sealed.ref).equals(whole)


def test_texts_come_as_dictionaries(tmp_path):
    store = Store(str(tmp_path))
    ref = write_table(store, "rows", "rows", pa.table({"who": ["ann", "bob", None, "ann"], "n": [1, 1, 2, 2]}))
    read = read_rows(store, "rows", ref, 1, 4, ["who", "n"], as_dictionaries={"who", "n"})
    assert read["who"].type == pa.dictionary(pa.int32(), pa.string())
    assert read.to_pydict() == {"who": ["bob", None, "ann"], "n": [1, 2, 2]}
