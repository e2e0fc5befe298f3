"""Automata are built once for a set of patterns: kept in memory, and if wanted in a folder."""

from __future__ import annotations

import hashlib
import io
import platform
import unicodedata
import zlib
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import numpy as np

from beambell.errors import ArtefactError
from beambell.labeling.compiler.alphabet import PAGE, Alphabet, TooManySymbols
from beambell.labeling.compiler.dfa import Dfa, determinize
from beambell.labeling.compiler.nfa import Nfa, TooBig
from beambell.labeling.compiler.syntax import Tree
from beambell.store.caching import if_writable

FORMAT: Final = 3
"""To be raised whenever the same patterns give other tables, or files hold them in another way."""

Patterns = tuple[tuple[Tree, int], ...]


@lru_cache(maxsize=512)
def build(patterns: Patterns, limit: int) -> Dfa | None:
    """Build the automaton of some patterns and their outputs.

    Parameters
    ----------
    patterns
        Trees, and the output of each.
    limit
        Largest number of states, and of nodes on the way there.

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
    """Keeps automata in files, one for each set of patterns.

    Parameters
    ----------
    path
        A folder, made when first needed. Anything in it may be deleted at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def build(self, patterns: Patterns, limit: int) -> Dfa | None:
        """Read the automaton of some patterns, or `build` it and write it."""
        file = self._path / f"dfa-{_digest(patterns, limit)}"
        try:
            return _unpacked(file.read_bytes(), file.name)
        except (OSError, ArtefactError):  # not there, or damaged: it is but a copy
            dfa = build(patterns, limit)
        if dfa is not None:
            with if_writable(self._path):
                self._path.mkdir(parents=True, exist_ok=True)
                with NamedTemporaryFile(dir=self._path, suffix=".part", delete=False) as unfinished:
                    unfinished.write(_packed(dfa))
                Path(unfinished.name).replace(file)
        return dfa


_TYPES: Final = ("<i4", "<i4", "<i4", "<i4", "<u2", "<u2", "u1")
"""Of the arrays of an automaton, as a file holds them one after another."""


def _packed(dfa: Dfa) -> bytes:
    """Write an automaton: its numbers and the sizes of its arrays, these, and a checksum.

    There are many, and most are small: to open an archive and find its members would take longer than to read them.
    """
    alphabet = dfa.alphabet
    arrays = (dfa.emit_from, dfa.emits, dfa.end_from, dfa.ends, dfa.table, alphabet.page_of, alphabet.pages)
    parts = [array.astype(dtype, copy=False).tobytes() for array, dtype in zip(arrays, _TYPES, strict=True)]
    numbers = np.array([dfa.shift, dfa.first_emitting, *map(len, parts)], dtype="<i8")
    data = b"".join([numbers.tobytes(), *parts])
    return data + _checksum(data)


def _unpacked(data: bytes, where: str) -> Dfa:
    if data[-4:] != _checksum(data[:-4]):
        raise ArtefactError("not a whole automaton", where=where)
    file = io.BytesIO(data)
    shift, first_emitting, *sizes = np.frombuffer(file.read(8 * (2 + len(_TYPES))), dtype="<i8").tolist()
    emit_from, emits, end_from, ends, table, page_of, pages = (
        np.frombuffer(file.read(size), dtype) for size, dtype in zip(sizes, _TYPES, strict=True)
    )
    alphabet = Alphabet(page_of, pages.reshape(-1, PAGE))
    return Dfa(alphabet, table, shift, first_emitting, emit_from, emits, end_from, ends)


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data, FORMAT).to_bytes(4, "little")  # counted from a number on: an empty file has none


def _digest(patterns: Patterns, limit: int) -> str:
    # What a word character is, and what has case, belongs to the version of Python.
    versions = FORMAT, platform.python_version(), unicodedata.unidata_version
    return hashlib.sha256(repr((versions, limit, patterns)).encode()).hexdigest()[:32]
