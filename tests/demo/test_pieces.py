from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from csv import reader as read_csv
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.demo.delivery import Arrival
from beambell.demo.formats import Format, csv, gzipped, jsonl
from beambell.demo.grammar import Grammar, load
from beambell.demo.rng import Rng, Weighted, zipf
from beambell.demo.spelling import disguise, mistype
from beambell.demo.writing import FIRST_DAY, Row


@given(st.binary(max_size=200_000))
def test_gzip_of_stored_blocks_is_gzip(content: bytes) -> None:
    assert gzip.decompress(gzipped(content)) == content


def _broken_lines(encode: Format) -> list[bytes]:
    fields = {"author": "ann", "text": 'well, "so"\nit is', "sent_at": FIRST_DAY}
    content, starts = encode([Arrival(Row(fields, 0, 0), broken=True) for _ in range(200)], Rng("broken"))
    lines = content.splitlines(keepends=True)
    ends = [*starts[1:], len(lines) + 1]
    return [b"".join(lines[start - 1 : end - 1]) for start, end in zip(starts, ends, strict=True)]


def test_json_lines_are_broken_in_every_way() -> None:
    found = Counter(map(_damage_of_json, _broken_lines(jsonl)))
    assert found.keys() == {"JSON", "object", "encoding", "time"}
    assert min(found.values()) > 25


def _damage_of_json(line: bytes) -> str:
    try:
        record = json.loads(line)
    except UnicodeDecodeError:
        return "encoding"
    except json.JSONDecodeError:
        return "JSON"
    if not isinstance(record, dict):
        return "object"
    return "time" if not _is_time(record["sent_at"]) else "nothing"


def test_csv_records_are_broken_in_every_way() -> None:
    found = Counter(map(_damage_of_csv, _broken_lines(csv)))
    assert found.keys() == {"too few", "too many", "encoding", "time"}
    assert min(found.values()) > 25


def _damage_of_csv(line: bytes) -> str:
    try:
        (record,) = read_csv(io.StringIO(line.decode(), newline=""), strict=True)
    except UnicodeDecodeError:
        return "encoding"
    if len(record) != 3:
        return "too few" if len(record) < 3 else "too many"
    return "time" if not _is_time(record[2]) else "nothing"


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def test_gzip_of_more_than_one_block() -> None:
    content = bytes(range(256)) * 1000
    assert gzip.decompress(gzipped(content)) == content


@given(st.integers(), st.integers(1, 1000))
def test_draws_stay_in_range(seed: int, n: int) -> None:
    rng = Rng(seed)
    assert 0 <= rng.below(n) < n
    assert 3 <= rng.between(3, 3 + n) <= 3 + n
    assert 0 <= rng.heavy_tail(2.0, n) <= n


def test_draws_never_change() -> None:
    rng = Rng("a", 1)
    assert [rng.below(1000) for _ in range(5)] == [331, 885, 783, 140, 543]


def test_weights_are_respected() -> None:
    rng, weighted = Rng("weights"), Weighted([("rare", 1), ("often", 9), ("never", 0)])
    drawn = Counter(weighted.draw(rng) for _ in range(10_000))
    assert 8_800 < drawn["often"] < 9_200
    assert drawn["never"] == 0
    assert zipf("ab").draw(Rng(1)) in "ab"


def test_a_grammar_expands_symbols_within_symbols() -> None:
    grammar = Grammar({"start": [("a ", "noun", "")], "noun": [("b",), ("", "noun", "c")]})
    texts = {grammar.expand("start", Rng(seed)) for seed in range(50)}
    assert {"a b", "a bc"} <= texts


def test_a_symbol_nobody_defined_is_named() -> None:
    with pytest.raises(KeyError, match="nuon"):
        Grammar({"start": [("a ", "nuon", "")]})


@pytest.mark.parametrize(("name", "symbol", "least"), [("comments", "praise", 6), ("campaigns", "text", 15)])
def test_every_section_has_many_texts(name: str, symbol: str, least: int) -> None:
    sections = load(name)
    assert len(sections) >= least
    for grammar in sections.values():
        rng = Rng(name)
        assert len({grammar.expand(symbol, rng) for _ in range(300)}) > 50


@given(st.text(max_size=60), st.integers())
def test_any_text_can_be_respelled(text: str, seed: int) -> None:
    assert isinstance(disguise(text, Rng(seed)), str)
    assert mistype(text, Rng(seed)) or not text


def test_links_survive_lower_case() -> None:
    spellings = {mistype("See https://A.example/B Now", Rng(seed)) for seed in range(200)}
    assert "see https://A.example/B now" in spellings
