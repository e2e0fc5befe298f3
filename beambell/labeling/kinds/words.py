"""Kinds that look for words: keyword, lookup and lexicon. For what exactly they mean, see `beambell.labeling.kinds`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa

from beambell.errors import LabelingFunctionError
from beambell.labeling import folding
from beambell.labeling.charsets import one_of
from beambell.labeling.core import About, about
from beambell.labeling.declarative import Folding, Predicate, Textual, is_finite, is_string, lf_error, match_any
from beambell.labeling.files import read_lines


@dataclass(frozen=True, kw_only=True)
class Keyword(Textual, Folding):
    """Any of some words or phrases occurs. See `keyword`."""

    kind = "keyword"

    any_of: tuple[str, ...]
    whole_words: bool = True
    ignore_case: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        words = tuple(dict.fromkeys(self._formed("any_of", word) for word in self.strings("any_of", self.any_of)))
        if not words or not all(word.strip() for word in words):
            self.fail("any_of must list at least one word, and none of them empty")
        self._set("any_of", words)

    @cached_property
    def predicate(self) -> Predicate:
        """One of the words is found."""
        if not (self.fold and self.whole_words):
            form, search = self.form, _words_regex(self.any_of, self.whole_words, self.ignore_case).search
            return lambda text: search(form(text))
        # In ASCII, all edges are `\w`: one search for all words. Elsewhere, one tells whether to look at each.
        in_ascii = _words_regex(self.any_of, True, self.ignore_case).search
        any_part = _words_regex(self.any_of, False, self.ignore_case).search
        searches = [_search(word, folded=True, ignore_case=self.ignore_case) for word in self.any_of]

        def holds(text: str) -> object:
            text = folding.fold(text)
            if text.isascii():
                return in_ascii(text)
            return any_part(text) and any(search(text) for search in searches)

        return holds


@dataclass(frozen=True, kw_only=True)
class Lookup(Folding):
    """A value is in a set. See `lookup`."""

    kind = "lookup"
    reads = "text or whole numbers"
    value_types = (str, Integral)

    values: frozenset[str] = dataclasses.field(repr=False)
    ignore_case: bool = False
    file: str | None = about(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        values = frozenset(map(self._key, self.values))
        if not values:
            self.fail("there are no values to look up")
        self._set("values", frozenset(map(str.casefold, values)) if self.ignore_case else values)

    @staticmethod
    def accepts(type_: pa.DataType) -> bool:
        """Accept strings and integers."""
        return is_string(type_) or bool(pa.types.is_integer(type_))

    @cached_property
    def predicate(self) -> Predicate:
        """The text of the value is in the set."""
        values, form = self.values, self.form
        if self.ignore_case:
            return lambda value: form(str(value)).casefold() in values
        return lambda value: form(str(value)) in values

    def _key(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.fail(f"values must be strings or whole numbers, not {value!r}")
        return self._formed("values", str(value))


@dataclass(frozen=True, kw_only=True)
class Lexicon(Textual, Folding):
    """The weights of the words present add up to a threshold. See `lexicon`."""

    kind = "lexicon"

    weights: tuple[tuple[str, float], ...] = dataclasses.field(repr=False)
    threshold: float
    ignore_case: bool = True
    file: str | None = about(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = [(word, self._finite(f"weights: {word!r}", weight)) for word, weight in self._words()]
        self._set("threshold", self._finite("threshold", self.threshold))
        if not weights or not all(word.strip() for word, _ in weights):
            self.fail("weights must hold at least one word, and none of them empty")
        self._check_distinct([word for word, _ in weights])
        self._set("weights", tuple(sorted((self._formed("weights", word), weight) for word, weight in weights)))

    def _check_distinct(self, words: Sequence[str]) -> None:
        spellings: dict[str, list[str]] = {}
        for word in words:
            spellings.setdefault(self._case(self.form(word)), []).append(word)
        twice = {word: as_given for word, as_given in sorted(spellings.items()) if len(as_given) > 1}
        if not twice:
            return
        as_given = next(iter(twice.values()))
        fix = f"keep one of {' and '.join(map(ascii, as_given))}"
        if len(set(map(self._case, as_given))) > 1:
            fix += ", which fold to one, or tell them apart with fold=False"
        self.fail(f"two weights for one word: {', '.join(twice)}", fix=fix)

    @cached_property
    def predicate(self) -> Predicate:
        """The score reaches the threshold."""
        score, threshold = self._score(), self.threshold
        return lambda text: score(text) >= threshold

    def _score(self) -> Callable[[str], float]:
        form, case = self.form, self._case
        every = [(self._search(word), weight) for word, weight in self.weights]
        # In ASCII text an ASCII word is present if it is one of the text's runs of word characters: one look-up
        # for all of them instead of a search for each. Elsewhere, the Kelvin sign is a k, as `re` has it.
        simple = {word for word, _ in self.weights if word.isascii() and re.fullmatch(r"\w+", word)}
        single = {case(word): weight for word, weight in self.weights if word in simple}
        others = [(self._search(word), weight) for word, weight in self.weights if word not in simple]
        tokens = re.compile(r"\w+").findall

        def score(text: str) -> float:
            text = form(text)
            if not text.isascii():
                return math.fsum(weight for search, weight in every if search(text))
            present = single.keys() & set(tokens(case(text)))
            weights = [weight for search, weight in others if search(text)]
            return math.fsum([single[word] for word in present] + weights)

        return score

    def _case(self, word: str) -> str:
        return word.lower() if self.ignore_case else word

    def _search(self, word: str) -> Predicate:
        return _search(word, folded=self.fold, ignore_case=self.ignore_case)

    def _words(self) -> Iterator[tuple[str, Any]]:
        for word, weight in self.weights:
            if not isinstance(word, str):
                self.fail(f"weights: words must be strings, not {word!r}")
            yield word, weight

    def _finite(self, what: str, number: Any) -> float:
        if not is_finite(number):
            self.fail(f"{what} must be a finite number, not {number!r:.50}", fix="write one such as 2 or -0.5")
        return float(number)


def keyword(
    name: str,
    *,
    any_of: Iterable[str],
    label: int,
    field: str = "text",
    whole_words: bool = True,
    ignore_case: bool = True,
    fold: bool = True,
    **more: Unpack[About],
) -> Keyword:
    """Vote ``label`` where any of these words or phrases occurs.

    Parameters
    ----------
    any_of
        Words or phrases.
    whole_words
        Whether a word counts only by itself: "art" is not found in "start". Otherwise any substring counts.
    ignore_case
        Whether case is ignored, as ``re.IGNORECASE`` does.
    fold
        Whether texts that look the same are the same, such as "don't" with a typographic apostrophe, and words are
        found in scripts without spaces. See `beambell.labeling.folding`. Otherwise only the same code points count.

    Examples
    --------
    >>> refund = keyword("refund", any_of=["refund", "money back"], label=1)
    >>> refund.vote({"text": "I want my MONEY BACK!"})
    1
    """
    return Keyword(
        name,
        any_of=match_any(any_of),
        label=label,
        field=field,
        whole_words=whole_words,
        ignore_case=ignore_case,
        fold=fold,
        **match_any(more),
    )


def lookup(
    name: str,
    *,
    field: str,
    values: Iterable[str | int] | None = None,
    file: str | Path | None = None,
    label: int,
    ignore_case: bool = False,
    fold: bool = True,
    **more: Unpack[About],
) -> Lookup:
    """Vote ``label`` where the value of a field is one of a set.

    Parameters
    ----------
    values
        Strings or whole numbers; 7 and "7" are the same.
    file
        Path of a UTF-8 text file, relative to the project, in place of ``values``: one value a line (empty lines and
        surrounding whitespace do not count). Its content is part of the function's meaning, its name is not.
    ignore_case
        Whether case is ignored, as ``str.casefold`` does.
    fold
        Whether texts that look the same are the same, as for `keyword`.

    Raises
    ------
    LabelingFunctionError
        If neither or both of ``values`` and ``file`` are given, ``values`` is a single string, or the file cannot be
        read.

    Examples
    --------
    >>> blocked = lookup("blocked", field="author", values=["spam_king"], label=1)
    >>> blocked.vote({"author": "spam_king"})
    1
    """
    if (values is None) == (file is None):
        raise lf_error(name, "give either values=[...] or file=..., one of them")
    if file is not None:
        values = [line for _, line in _lines_of(name, file)]
    if isinstance(values, str):
        raise lf_error(name, f"values must be a list of strings, not {values!r}")
    path = None if file is None else Path(file).as_posix()
    return Lookup(
        name,
        values=match_any(values),
        file=path,
        label=label,
        field=field,
        ignore_case=ignore_case,
        fold=fold,
        **match_any(more),
    )


def lexicon(
    name: str,
    *,
    weights: Mapping[str, float] | None = None,
    file: str | Path | None = None,
    threshold: float,
    label: int,
    field: str = "text",
    ignore_case: bool = True,
    fold: bool = True,
    **more: Unpack[About],
) -> Lexicon:
    """Vote ``label`` where the weights of the words present add up to ``threshold`` or more.

    A word counts once, however often it occurs; it is present where a whole-word `keyword` would find it.

    Parameters
    ----------
    weights
        Word or phrase to weight, which may be negative.
    file
        Path of a UTF-8 text file, relative to the project, in place of ``weights``: a word, a tab (or comma) and its
        weight on each line. Its content is part of the function's meaning, its name is not.
    ignore_case, fold
        Rules of comparison, as for `keyword`.

    Raises
    ------
    LabelingFunctionError
        If neither or both of ``weights`` and ``file`` are given, ``weights`` is no mapping, or the file cannot be read.

    Examples
    --------
    >>> angry = lexicon("angry", weights={"awful": 1, "broken": 0.5, "thanks": -1}, threshold=1, label=1)
    >>> angry.vote({"text": "Broken and awful. Thanks."})
    -1
    """
    if (weights is None) == (file is None):
        raise lf_error(name, "give either weights={...} or file=..., one of them")
    if weights is not None and not isinstance(weights, Mapping):
        raise lf_error(name, f"weights must map words to numbers, not be {weights!r}")
    pairs = _weights_of(name, file) if file is not None else list(match_any(weights).items())
    path = None if file is None else Path(file).as_posix()
    return Lexicon(
        name,
        weights=tuple(pairs),
        threshold=threshold,
        file=path,
        label=label,
        field=field,
        ignore_case=ignore_case,
        fold=fold,
        **match_any(more),
    )


def _words_regex(words: Iterable[str], whole_words: bool, ignore_case: bool) -> re.Pattern[str]:
    either = "|".join(map(re.escape, words))
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)" if whole_words else either, re.IGNORECASE if ignore_case else 0)


def _search(word: str, *, folded: bool, ignore_case: bool) -> Predicate:
    """Return what tells whether a whole word occurs in a text."""
    if not folded:
        return _words_regex((word,), True, ignore_case).search
    # The edges are large sets: compiled into a regular expression for each word, they would take seconds.
    search = re.compile(re.escape(word), re.IGNORECASE if ignore_case else 0).search
    before, after = (one_of(members).match for members in folding.edges(word, folded=True))

    def occurs(text: str) -> bool:
        found = search(text)
        while found is not None:
            start, end = found.span()
            if not (start and before(text, start - 1)) and not after(text, end):
                return True
            found = search(text, start + 1)
        return False

    return occurs


def _lines_of(name: str, file: str | Path) -> list[tuple[int, str]]:
    try:
        return read_lines(file)
    except LabelingFunctionError as error:
        raise lf_error(name, error.message, place=error.where, fix=error.fix) from error


def _weights_of(name: str, file: str | Path) -> Iterator[tuple[str, float]]:
    for number, line in _lines_of(name, file):
        word, separator, text = line.rpartition("\t" if "\t" in line else ",")
        try:
            weight = float(text) if separator else None
        except ValueError:
            weight = None
        if weight is None or not is_finite(weight):
            raise lf_error(
                name,
                f"{line!r} is not a word, a tab and a finite weight",
                place=f"{file}:{number}",
                fix="write a number such as 2 or -0.5 after the tab",
            )
        yield word.strip(), weight
