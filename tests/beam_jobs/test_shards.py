"""Tables made while others are written."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from beam_jobs.shards import ahead


def test_the_next_table_is_made_while_the_last_is_worked_on() -> None:
    made = [threading.Event() for _ in range(3)]

    def tables() -> Iterator[pa.Table]:
        for number, event in enumerate(made):
            event.set()
            yield pa.table({"n": [number]})

    seen = []
    for number, table in enumerate(ahead(tables())):
        assert all(event.wait(10) for event in made[number + 1 : number + 2])
        seen += table["n"].to_pylist()
    assert seen == [0, 1, 2]


def test_a_table_that_cannot_be_made_is_an_error_in_its_place() -> None:
    def tables() -> Iterator[pa.Table]:
        yield pa.table({"n": [0]})
        raise OSError("the disk is gone")

    coming = ahead(tables())
    assert next(coming)["n"].to_pylist() == [0]
    with pytest.raises(OSError, match="the disk is gone"):
        next(coming)
