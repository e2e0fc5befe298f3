"""What is remembered holds as long as its stamp, and is only a memory."""

from __future__ import annotations

import json

from beambell.store.cache import Cache


def test_a_value_holds_as_long_as_its_stamp(tmp_path):
    known = Cache(tmp_path, "things", about="one root")
    known.put("a", "1", {"x": 2})
    known.put("b", None, 3)  # without a stamp nobody could say when it is over
    known.save()
    again = Cache(tmp_path, "things", about="one root")
    assert (again.get("a", "1"), again.get("a", "2"), again.get("a", None), again.get("b", None)) == (
        {"x": 2},
        None,
        None,
        None,
    )
    assert Cache(tmp_path, "things", about="another").get("a", "1") is None


def test_keys_that_are_gone_are_forgotten(tmp_path):
    known = Cache(tmp_path, "things")
    known.put("a", "1", 1)
    known.put("b", "1", 2)
    known.save(keep=["b"])
    assert json.loads((tmp_path / "things.json").read_bytes())["known"] == {"b": ["1", 2]}


def test_a_damaged_memory_is_no_memory(tmp_path):
    for damaged in (b"", b"{", b"[]", b'{"about": ""}', b'{"about": "", "known": 3}'):
        (tmp_path / "things.json").write_bytes(damaged)
        assert Cache(tmp_path, "things").get("a", "1") is None


def test_a_changed_digit_is_no_memory(tmp_path):
    known = Cache(tmp_path, "things", about="one root")
    known.put("a", "1", "0123")
    known.save()
    path = tmp_path / "things.json"
    whole = path.read_bytes()
    assert Cache(tmp_path, "things", about="one root").get("a", "1") == "0123"
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert Cache(tmp_path, "things", about="one root").get("a", "1") is None
