"""Splits of an export: each row belongs to one by a hash of its text, for ever."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from beambell.errors import UsageError
from beambell.records.split import uniform

SALT: Final = "export"
"""Name of the hash: independent of the holdout that the end model is judged on."""
DEFAULT: Final = "train=0.8,valid=0.1,test=0.1"
"""What ``--split hash`` stands for."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Splits:
    """Names of splits and their shares.

    A row's split depends on its text alone, folded so that capitals, width of characters and white space do not count:
    new data moves no row, and rows of the same text are never on two sides. Rows without text go by their id.

    Attributes
    ----------
    names, shares
        Names of the splits, and the share of the texts that each gets; shares sum to 1.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Splits:
        """Read ``hash``, or names and shares such as ``train=0.9,test=0.1``.

        Raises
        ------
        UsageError
            If it is neither, a name occurs twice or cannot be a folder's, or the shares do not sum to 1.
        """
        pairs = [pair.strip().partition("=") for pair in (DEFAULT if text.strip() == "hash" else text).split(",")]
        names = tuple(name.strip() for name, _, _ in pairs)
        try:
            shares = tuple(float(share) for _, _, share in pairs)
        except ValueError:
            shares = ()
        good = len(names) == len(set(names)) == len(shares) and all(map(_NAME.fullmatch, names))
        if not good or not all(0 < share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-9:
            raise UsageError(
                f"--split {text!r} is neither `hash` nor names with shares that sum to 1",
                fix=f"write --split hash, which is {DEFAULT}, or shares of your own such as --split train=0.9,test=0.1",
            )
        return cls(names, shares)

    def of(self, texts: Sequence[str | None], ids: Sequence[str]) -> pa.Array:
        """Name of the split of each of n rows."""
        keys = [f"i{row}" if text is None else f"t{_folded(text)}" for text, row in zip(texts, ids, strict=True)]
        bounds = np.cumsum(self.shares)[:-1]
        at = np.searchsorted(bounds, uniform(keys, salt=SALT), side="right")
        return pa.DictionaryArray.from_arrays(pa.array(at, pa.int32()), pa.array(self.names)).cast(pa.string())


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
