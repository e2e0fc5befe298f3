"""A folder as a source: files grow, arrive, and are read to their ends, each line once."""

from __future__ import annotations

import pytest

from beambell.errors import LiveSourceError
from beambell.live.files_source import FolderSource


def read_all(source: FolderSource, at: dict[str, int], most: int = 3) -> list[bytes]:
    found: list[bytes] = []
    for _ in range(50):
        for part in source.parts():
            chunk = source.read(part, at.get(part, 0), most, 0.0)
            assert chunk.first == at.get(part, 0)
            at[part] = chunk.next
            found += chunk.values
    return found


def test_lines_come_once_they_have_their_end(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"a": 1}\n{"a": 2}\n{"a"')
    source, at = FolderSource(tmp_path, "*.jsonl"), {}
    assert read_all(source, at) == [b'{"a": 1}', b'{"a": 2}']
    with file.open("ab") as opened:
        opened.write(b": 3}\r\n")
    assert read_all(source, at) == [b'{"a": 3}']
    assert read_all(source, at) == []


def test_files_follow_in_the_order_of_their_names(tmp_path):
    source, at = FolderSource(tmp_path, "*.jsonl"), {}
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(b"%s%d\n" % (name.encode(), i) for i in range(5)))
    found = read_all(source, at)
    assert sorted(found) == sorted(b"%s%d" % (name, i) for name in (b"a", b"b", b"c") for i in range(5))
    assert [line[:1] for line in found] == [b"a"] * 5 + [b"b"] * 5 + [b"c"] * 5


def test_the_last_line_of_a_file_counts_without_an_end_once_another_file_follows(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"one\ntwo")
    source, at = FolderSource(tmp_path, "*.jsonl"), {}
    assert read_all(source, at) == [b"one"]
    (tmp_path / "b.jsonl").write_bytes(b"three\n")
    source._looked = -1  # a look at the folder is due
    assert read_all(source, at) == [b"two", b"three"]


def test_an_earlier_file_may_grow_after_a_later_one_came(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    (tmp_path / "b.jsonl").write_bytes(b"2\n")
    source, at = FolderSource(tmp_path, "*.jsonl"), {}
    assert read_all(source, at) == [b"1", b"2"]
    with (tmp_path / "a.jsonl").open("ab") as opened:
        opened.write(b"3\n")
    assert read_all(FolderSource(tmp_path, "*.jsonl"), at) == [b"3"]


def test_a_file_that_became_shorter_is_an_error_and_not_a_loss(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"1\n2\n3\n")
    source, at = FolderSource(tmp_path, "*.jsonl"), {}
    read_all(source, at)
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    with pytest.raises(LiveSourceError, match="must stay as it is"):
        read_all(source, at)


def test_a_line_longer_than_a_block_is_one_record(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"x" * (3 << 20) + b"\nshort\n")
    assert [len(value) for value in read_all(FolderSource(tmp_path, "*.jsonl"), {})] == [3 << 20, 5]


def test_names_of_other_scripts_are_parts_of_their_own(tmp_path):
    for name in ("ä", "ö", "a b"):
        (tmp_path / f"{name}.jsonl").write_bytes(b"1\n")
    parts = FolderSource(tmp_path, "*.jsonl").parts()
    assert len(set(parts)) == 3
    assert all(set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for part in parts)
