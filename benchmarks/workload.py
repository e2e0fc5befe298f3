"""What is voted on: rows made of the demo's comments, as many and as long as wanted, and LFs on them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.labeling import Catalogue, LabelingFunction
from beambell.labeling.declarative import Declarative
from beambell.store.tables import ROW_GROUP_ROWS

REPOSITORY = Path(__file__).parents[1]
STREAM = "comments"
CARDINALITY = 2

Wording = Callable[[pa.Array], pa.Array]


def as_generated(texts: pa.Array) -> pa.Array:
    """English with a few percent of emoji and accents."""
    return texts


def ascii_only(texts: pa.Array) -> pa.Array:
    """Without any character beyond ASCII."""
    return pc.replace_substring_regex(texts, "[^[:ascii:]]+", "")


def one_foreign_word(texts: pa.Array) -> pa.Array:
    """No text is ASCII: each gets a word more."""
    return pc.binary_join_element_wise(texts, "café 😀", " ")


def foreign_letters(texts: pa.Array) -> pa.Array:
    """No text is ASCII, and hardly a word: two common letters have accents, or are Cyrillic."""
    return pc.replace_substring(pc.replace_substring(texts, "e", "é"), "t", "т")


def typographic(texts: pa.Array) -> pa.Array:
    """No text is what it folds to: each gets an apostrophe as telephones write it."""
    return pc.binary_join_element_wise(texts, "don\u2019t", " ")


def decomposed(texts: pa.Array) -> pa.Array:
    """No text is composed: each gets an accent that follows its letter."""
    return pc.binary_join_element_wise(texts, "cafe\u0301", " ")


@dataclass(frozen=True)
class Workload:
    """Rows of the stream ``comments``, the same ones every time.

    Attributes
    ----------
    rows
        How many; ids are distinct.
    comments
        Generated comments that make one text; two are 150 bytes.
    wording
        What is done to the texts.
    """

    rows: int = 1_000_000
    comments: int = 2
    wording: Wording = as_generated

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows, one row group at a time."""
        rng = np.random.default_rng(self.comments)
        for start in range(0, self.rows, ROW_GROUP_ROWS):
            yield self._table(start, min(ROW_GROUP_ROWS, self.rows - start), rng)

    def table(self) -> pa.Table:
        """All rows."""
        return pa.concat_tables(self.tables())

    def _table(self, start: int, rows: int, rng: np.random.Generator) -> pa.Table:
        chosen = rng.integers(0, len(comments()), (self.comments, rows))
        texts = comments()["text"].combine_chunks()
        joined = pc.binary_join_element_wise(*(texts.take(pa.array(places)) for places in chosen), " ")
        numbers = np.arange(start, start + rows)
        table = comments().take(pa.array(chosen[0]))
        changed = {
            "id": pc.binary_join_element_wise("c", pa.array(numbers).cast(pa.string()), ""),
            "text": self.wording(joined),
            "_line": pa.array(numbers + 1),
        }
        for name, column in changed.items():
            table = table.set_column(table.column_names.index(name), name, column)
        return table.combine_chunks()


def corpus(rows: int) -> pa.Table:
    """Comments of the demo's data set as they are, repeated up to a number of rows."""
    one = comments()
    return pa.concat_tables([one] * (rows // len(one) + 1)).slice(0, rows).combine_chunks()


@lru_cache(maxsize=1)
def comments() -> pa.Table:
    """A week of the demo's comments."""
    from beambell.config import load_params
    from beambell.demo import generate
    from beambell.records import read_records, row_schema

    stream = load_params(REPOSITORY).streams[STREAM]
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), scale=0.5, days=7)
        parts = []
        for path in sorted(Path(folder).glob(f"{STREAM}/*.csv")):
            with path.open("rb") as file:
                parts += [batch.rows for batch in read_records(file, name=path.name, stream=stream)]
    return pa.concat_tables(parts).select(row_schema(stream).names).combine_chunks()


def declarative_lfs(n: int = 18) -> list[LabelingFunction]:
    """The first declarative LFs of the demo that vote on comments."""
    catalogue = Catalogue.load(["labeling_functions.spam"])
    found: list[LabelingFunction] = [lf for lf in catalogue if isinstance(lf, Declarative) and lf.votes_on(STREAM)]
    return found[:n]


def mean_bytes(texts: pa.ChunkedArray) -> float:
    """Mean length of texts in UTF-8."""
    return float(pc.mean(pc.binary_length(texts)).as_py())
