r"""The same labeling functions as polars expressions, in the fastest form that I know for each.

On text in ASCII they mean the same. Beyond it they do not: ``\b`` is kept to ASCII, which makes it twelve times as fast
on such text, and Rust's expressions have other word characters, spaces and letter cases than Python's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beambell.labeling import LabelingFunction

if TYPE_CHECKING:
    import polars as pl

LOWER = "_lower"
"""The text in lower case, made once for all."""

EDGE = r"(?-u:\b)"


def write_votes(rows: Path, lfs: Iterable[LabelingFunction], votes: Path) -> None:
    """Read rows, vote, and write ``id`` and a column of int8 for each LF."""
    import polars as pl

    frame = pl.scan_parquet(rows).with_columns(pl.col("text").str.to_lowercase().alias(LOWER))
    frame.select("id", *map(vote, lfs)).sink_parquet(votes, compression="lz4")


def vote(lf: LabelingFunction) -> pl.Expr:
    """Write one LF as an expression of int8."""
    import polars as pl

    label, abstain = pl.lit(lf.label, pl.Int8), pl.lit(-1, pl.Int8)
    return pl.when(_fires(lf)).then(label).otherwise(abstain).alias(lf.name)


def _fires(lf: Any) -> pl.Expr:
    import polars as pl

    column = pl.col(lf.field)
    match lf.kind:
        case "keyword":
            return pl.col(LOWER).str.contains(_words(lf.any_of))
        case "regex":
            return _search(lf.pattern, lf.flags)
        case "lexicon":
            return _adds_up(dict(lf.weights), lf.threshold)
        case "lookup":
            return column.is_in(list(lf.values))
        case "numeric":
            return _within(column, lf.min, lf.max)
        case "length" if lf.unit == "chars":
            return _within(column.str.len_chars(), lf.min, lf.max)
    of = r"\S+" if lf.kind == "length" else lf.of
    at_least = [column.str.contains(_at_least(of, bound)) for bound in (lf.min,) if bound is not None]
    at_most = [~column.str.contains(_at_least(of, bound + 1)) for bound in (lf.max,) if bound is not None]
    return reduce(and_, at_least + at_most)


def _search(pattern: str, flags: int) -> pl.Expr:
    import polars as pl

    # There is no looking behind; what is not there may as well be the start.
    spelled = re.sub(r"^\(\?<!\[(.+?)\]\)", r"(?:^|[^\1])", pattern).replace(r"\b", EDGE)
    if not flags:
        return pl.col("text").str.contains(spelled)
    lower = re.sub(r"\\.", "", pattern).islower()
    return pl.col(LOWER).str.contains(spelled) if lower else pl.col("text").str.contains(f"(?i){spelled}")


def _adds_up(weights: dict[str, float], threshold: float) -> pl.Expr:
    """Where no weight is negative, any word that is enough alone is looked for together with its like."""
    import polars as pl

    text = pl.col(LOWER).str
    enough = [word for word, weight in weights.items() if weight >= threshold and min(weights.values()) >= 0]
    single = [text.contains(_words([word])).cast(pl.Float64) * weights[word] for word in weights if word not in enough]
    score = pl.sum_horizontal(*single) >= threshold if single else pl.lit(value=False)
    return text.contains(_words(enough)) | score if enough else score


def _at_least(of: str, times: int) -> str:
    """Say that something occurs so often without counting: three to nine times as fast as ``count_matches``."""
    return rf"(?:\S+\s+){{{times - 1}}}\S" if of == r"\S+" else f"(?:{of}(?s:.)*?){{{times}}}"


def _within(number: pl.Expr, low: float | None, high: float | None) -> pl.Expr:
    if high is None:
        return number >= low
    return number <= high if low is None else number.is_between(low, high)


def _words(words: Iterable[str]) -> str:
    return rf"{EDGE}(?:{'|'.join(re.escape(word.lower()) for word in words)}){EDGE}"
