"""The same labeling functions as a user of snorkel writes them by hand, one row at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from beambell.labeling import LabelingFunction


def applier(lfs: Iterable[LabelingFunction]) -> Any:
    """Return a ``PandasLFApplier`` of declarative LFs."""
    from snorkel.labeling import LabelingFunction as TheirLF
    from snorkel.labeling import PandasLFApplier

    return PandasLFApplier([TheirLF(lf.name, _vote(lf)) for lf in lfs])


def _vote(lf: Any) -> Callable[[Any], int]:
    fires = _fires(lf)
    return lambda row: lf.label if fires(row) else -1


def _fires(lf: Any) -> Callable[[Any], bool]:
    """Write an LF as one would by hand: a precompiled expression and a comparison."""
    field = lf.field
    match lf.kind:
        case "keyword":
            search = _words(lf.any_of).search
            return lambda row: search(row[field]) is not None
        case "regex":
            search = re.compile(lf.pattern, lf.flags).search
            return lambda row: search(row[field]) is not None
        case "lexicon":
            weighted = [(_words([word]).search, weight) for word, weight in lf.weights]
            return lambda row: sum(w for search, w in weighted if search(row[field])) >= lf.threshold
        case "lookup":
            return lambda row: row[field] in lf.values
    low = float("-inf") if lf.min is None else lf.min
    high = float("inf") if lf.max is None else lf.max
    measure = _measure(lf)
    return lambda row: low <= measure(row[field]) <= high


def _measure(lf: Any) -> Callable[[Any], Any]:
    if lf.kind == "numeric":
        return lambda value: value
    if lf.kind == "length":
        return len if lf.unit == "chars" else lambda text: len(text.split())
    if len(lf.of) == 1:
        return lambda text: text.count(lf.of)
    find = re.compile(lf.of, lf.flags).findall
    return lambda text: len(find(text))


def _words(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)
