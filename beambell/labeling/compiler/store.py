"""Automata are built once for a set of patterns: kept in memory, and if wanted in a folder."""

from __future__ import annotations

import hashlib
import platform
import unicodedata
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

import numpy as np

from beambell.errors import ArtefactError
from beambell.labeling.compiler.alphabet import Alphabet, TooManySymbols
from beambell.labeling.compiler.dfa import Dfa, determinize
from beambell.labeling.compiler.nfa import Nfa, TooBig
from beambell.labeling.compiler.syntax import Tree
from beambell.store.arrays import pack_arrays, unpack_arrays

FORMAT: Final = 2
"""To be raised whenever the same patterns give other tables."""

Patterns = tuple[tuple[Tree, int], ...]


@lru_cache(maxsize=512)
def build(patterns: Patterns, limit: int) -> Dfa | None:
    """Build the automaton of some patterns and their outputs.

    Parameters
    ----------
    patterns
        Trees, and the output of each.
    limit
        Most states, and most nodes on the way there.

    Returns
    -------
    Dfa | None
        ``None`` if it would be larger, or had too many kinds of characters.
    """
    nfa = Nfa(4 * limit)
    try:
        for tree, output in patterns:
            nfa.add(tree, output)
        return determinize(nfa, limit)
    except (TooBig, TooManySymbols):
        return None


class Folder:
    """Keeps automata in files of plain arrays, one for each set of patterns.

    Parameters
    ----------
    path
        A folder, made when first needed. Anything in it may be deleted at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def build(self, patterns: Patterns, limit: int) -> Dfa | None:
        """Read the automaton of some patterns, or `build` it and write it."""
        file = self._path / f"dfa-{_digest(patterns, limit)}.npz"
        try:
            return _unpacked(file.read_bytes(), file.name)
        except (OSError, ArtefactError):  # not there, or damaged: it is but a copy
            dfa = build(patterns, limit)
        if dfa is not None:
            self._path.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._path, suffix=".part", delete=False) as unfinished:
                unfinished.write(_packed(dfa))
            Path(unfinished.name).replace(file)
        return dfa


_ARRAYS = ("table", "emit_from", "emits", "end_from", "ends")
_NUMBERS = ("shift", "first_emitting")


def _packed(dfa: Dfa) -> bytes:
    arrays = {name: getattr(dfa, name) for name in _ARRAYS}
    numbers = np.array([getattr(dfa, name) for name in _NUMBERS], dtype=np.int64)
    return pack_arrays({**arrays, "numbers": numbers, "page_of": dfa.alphabet.page_of, "pages": dfa.alphabet.pages})


def _unpacked(data: bytes, where: str) -> Dfa:
    arrays = unpack_arrays(data, where)
    parts: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
    parts |= zip(_NUMBERS, arrays["numbers"].tolist(), strict=True)
    return Dfa(Alphabet(arrays["page_of"], arrays["pages"]), **parts)


def _digest(patterns: Patterns, limit: int) -> str:
    # What a word character is, and what has case, belongs to the version of Python.
    versions = FORMAT, platform.python_version(), unicodedata.unidata_version
    return hashlib.sha256(repr((versions, limit, patterns)).encode()).hexdigest()[:32]
