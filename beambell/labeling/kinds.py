r"""The declarative kinds: a few inspectable parameters each, and a meaning stated as plain Python.

Every kind is a predicate on one field: it votes its label where the predicate holds, and abstains elsewhere and
on null. The predicates, which a compiler has to reproduce exactly:

========  ====================================================================================================
keyword   for one of the words, ``re.search(p, text)`` with ``p = (?<!B)(?:word)(?!A)`` (the word escaped, A and B its
          `edges`), or ``word`` for ``whole_words=False``; ``re.IGNORECASE`` unless ``ignore_case=False``
regex     ``re.search(pattern, text, flags)``
count     ``min <= n <= max``, n the non-overlapping matches of a pattern; "words" means ``\S+``, "chars" code points
length    ``min <= n <= max``, n the code points, or the words ``\S+``
numeric   ``min <= value <= max``, compared exactly; NaN abstains
lookup    ``str(value) in values``; both casefolded for ``ignore_case=True``
lexicon   ``fsum(weight of every word present) >= threshold``, a word being present where a keyword would vote
========  ====================================================================================================

Those of keyword, lookup and lexicon are about what `beambell.labeling.folding.fold` makes of texts, words and values;
for ``fold=False``, about these as they are, and then A and B are ``\w``.
"""

from __future__ import annotations

import dataclasses
import math
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, Unpack

import numpy as np
import pyarrow as pa

from beambell.errors import LabelingFunctionError
from beambell.labeling import folding
from beambell.labeling.charsets import one_of
from beambell.labeling.conditions import Condition, Truths
from beambell.labeling.core import ABSTAIN, MAX_CLASSES, About, LabelingFunction, OnError, Votes, about, raise_error
from beambell.labeling.files import read_lines
from beambell.labeling.row import Columns, Row

Predicate = Callable[[Any], object]
Number = int | float
Unit = Literal["chars", "words"]


@dataclass(frozen=True, kw_only=True)
class Declarative(LabelingFunction, Condition):
    """A predicate on one field.

    Attributes
    ----------
    field
        The column it reads.
    """

    label: int
    field: str

    reads: ClassVar[str]
    value_types: ClassVar[tuple[type, ...]]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label is None:
            self.fail("label must be the number of a class")
        if not isinstance(self.field, str) or not self.field:
            self.fail(f"field must be the name of a column, not {self.field!r}")

    @cached_property
    @abstractmethod
    def predicate(self) -> Predicate:
        """Tells, by any true value, that a value which is not null gets the label."""

    @staticmethod
    @abstractmethod
    def accepts(type_: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The one column it reads."""
        return (self.field,)

    def check(self, types: Mapping[str, pa.DataType | None]) -> None:
        """Raise if the column is missing or of another type."""
        super().check(types)
        type_ = types[self.field]
        if type_ is not None and not pa.types.is_null(type_) and not self.accepts(type_):
            self.fail(
                f"needs {self.reads}, but the column {self.field!r} is {type_}",
                fix="correct its field, or the column's type under the stream's `fields` in params.yaml",
            )

    def _vote(self, row: Row) -> int:
        value = row[self.field]
        if value is None:
            return ABSTAIN
        if not isinstance(value, self.value_types) or isinstance(value, bool):
            self.fail(f"needs {self.reads}, but the field {self.field!r} holds {value!r:.100}")
        return self.label if self.predicate(value) else ABSTAIN

    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:  # noqa: ARG002
        """Vote on every row, int8 [n]; a value of the right type never fails."""
        holds, label = self.predicate, self.label
        values = columns.values(self.field)
        votes = (label if value is not None and holds(value) else ABSTAIN for value in values)
        return np.fromiter(votes, dtype=np.int8, count=columns.n_rows)

    @property
    def leaves(self) -> tuple[LabelingFunction, ...]:
        """As a condition, it is made of itself alone."""
        return (self,)

    def truth(self, row: Row) -> bool | None:
        """As a condition, hold where it votes; null and NaN are unknown."""
        value = row[self.field]
        unknown = value is None or value != value  # noqa: PLR0124  # NaN
        return None if unknown else self._vote(row) != ABSTAIN

    def truths(self, columns: Columns) -> Truths:
        """As a condition, hold where it votes; null and NaN are unknown."""
        holds = self.apply(columns, cardinality=MAX_CLASSES, on_error=raise_error) != ABSTAIN
        return holds, columns.known(self.field) & ~holds


@dataclass(frozen=True, kw_only=True)
class Textual(Declarative):
    """A predicate on a text."""

    field: str = "text"

    reads = "text"
    value_types = (str,)

    @staticmethod
    def accepts(type_: pa.DataType) -> bool:
        """Accept every way Arrow has of holding strings."""
        return _is_string(type_)


@dataclass(frozen=True, kw_only=True)
class Folding(Declarative):
    """A predicate on words, which are as people type them unless told otherwise.

    Attributes
    ----------
    fold
        Whether words and values are compared folded. See `beambell.labeling.folding`.
    """

    fold: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("fold", "ignore_case", "whole_words"):
            if (given := getattr(self, name, True)) not in (True, False):
                self.fail(
                    f"{name} must be True or False, not {given!r:.50}",
                    fix="write True or False; in YAML, a bare true or false",
                )

    @property
    def form(self) -> Callable[[str], str]:
        """Returns the form of a text in which it is compared."""
        return folding.fold if self.fold else str

    def _formed(self, what: str, word: str) -> str:
        """Return the form of a word; one of which nothing is left would be found everywhere."""
        form = self.form(word)
        if word and not form:
            self.fail(
                f"{what}: {word!a} is made of characters that cannot be seen, and folds to nothing",
                fix="take it out, or look for these very characters with fold=False",
            )
        return form


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
class Regex(Textual):
    """A regular expression is found. See `regex`."""

    kind = "regex"

    pattern: str
    flags: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _normalise_pattern(self, "pattern")

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return re.compile(self.pattern, self.flags)

    @cached_property
    def predicate(self) -> Predicate:
        """``re.search``."""
        return self.regex.search


@dataclass(frozen=True, kw_only=True)
class Count(Textual):
    """Something occurs a number of times. See `count`."""

    kind = "count"

    of: str
    flags: int = 0
    min: int | None = None
    max: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _normalise_pattern(self, "of")
        _normalise_bounds(self, whole=True)

    @cached_property
    def predicate(self) -> Predicate:
        """The number of matches is within bounds."""
        if self.of in ("chars", "words"):
            return _within(self.min, self.max, _measure(self.of))
        matches = re.compile(self.of, self.flags).finditer
        return _within(self.min, self.max, lambda text: sum(1 for _ in matches(text)))


@dataclass(frozen=True, kw_only=True)
class Length(Textual):
    """The text is short or long. See `length`."""

    kind = "length"

    min: int | None = None
    max: int | None = None
    unit: Unit = "chars"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit not in ("chars", "words"):
            self.fail(f'unit must be "chars" or "words", not {self.unit!r}')
        _normalise_bounds(self, whole=True)

    @cached_property
    def predicate(self) -> Predicate:
        """The length is within bounds."""
        return _within(self.min, self.max, _measure(self.unit))


@dataclass(frozen=True, kw_only=True)
class Numeric(Declarative):
    """A number is in a range. See `numeric`."""

    kind = "numeric"
    reads = "a number"
    value_types = (Real, Decimal)

    min: Number | None = None
    max: Number | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _normalise_bounds(self, whole=False)

    @staticmethod
    def accepts(type_: pa.DataType) -> bool:
        """Accept integers, floats and decimals."""
        return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))

    @cached_property
    def predicate(self) -> Predicate:
        """The number is within bounds."""
        return _within(self.min, self.max, lambda value: value)

    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:
        """Vote on every row, int8 [n]: vectorised where NumPy compares as exactly as Python does."""
        column = columns.arrow(self.field).combine_chunks()
        if pa.types.is_floating(column.type):
            numbers = column.cast(pa.float64()).fill_null(math.nan)
            low, high = nearest_float(self.min, math.inf), nearest_float(self.max, -math.inf)
        elif pa.types.is_integer(column.type):
            # A whole number is at least 2.5 if it is at least 3: rounded bounds keep int64 out of float64.
            numbers, low, high = column.fill_null(0), _rounded(math.ceil, self.min), _rounded(math.floor, self.max)
        else:
            return super().apply(columns, cardinality=cardinality, on_error=on_error)
        values = numbers.to_numpy(zero_copy_only=False)
        holds = column.is_valid().to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            if low is not None:
                holds = holds & (values >= low)
            if high is not None:
                holds = holds & (values <= high)
        return np.where(holds, np.int8(self.label), np.int8(ABSTAIN))


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
        return _is_string(type_) or bool(pa.types.is_integer(type_))

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
        if not _is_finite(number):
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
        Not within a longer word: "art" is not found in "start". Otherwise any substring counts.
    ignore_case
        As ``re.IGNORECASE`` has it.
    fold
        Take for the same what looks the same, such as "don't" with a typographic apostrophe, and find words in scripts
        without spaces. See `beambell.labeling.folding`. Otherwise only what is written with the same code points.

    Examples
    --------
    >>> refund = keyword("refund", any_of=["refund", "money back"], label=1)
    >>> refund.vote({"text": "I want my MONEY BACK!"})
    1
    """
    return Keyword(
        name,
        any_of=_any(any_of),
        label=label,
        field=field,
        whole_words=whole_words,
        ignore_case=ignore_case,
        fold=fold,
        **_any(more),
    )


def regex(
    name: str,
    *,
    pattern: str | re.Pattern[str],
    label: int,
    field: str = "text",
    flags: int = 0,
    **more: Unpack[About],
) -> Regex:
    r"""Vote ``label`` where ``re.search(pattern, text, flags)`` finds something.

    Examples
    --------
    >>> url = regex("url", pattern=r"https?://\S+", label=0)
    >>> url.vote({"text": "no links here"})
    -1
    """
    return Regex(name, pattern=_any(pattern), label=label, field=field, flags=flags, **_any(more))


def count(
    name: str,
    *,
    of: str | re.Pattern[str],
    min: int | None = None,  # noqa: A002
    max: int | None = None,  # noqa: A002
    label: int,
    field: str = "text",
    flags: int = 0,
    **more: Unpack[About],
) -> Count:
    """Vote ``label`` where something occurs at least ``min`` and at most ``max`` times.

    Parameters
    ----------
    of
        A regular expression, whose non-overlapping matches are counted as ``re.finditer`` finds them; or
        ``"words"`` (what whitespace separates), or ``"chars"``. To count those two words, write ``"(words)"``.
    min, max
        Inclusive; one of them may be left out.

    Examples
    --------
    >>> shouting = count("shouting", of="!", min=3, label=1)
    >>> shouting.vote({"text": "now!!!"})
    1
    """
    return Count(name, of=_any(of), min=min, max=max, label=label, field=field, flags=flags, **_any(more))


def length(
    name: str,
    *,
    min: int | None = None,  # noqa: A002
    max: int | None = None,  # noqa: A002
    unit: Unit = "chars",
    label: int,
    field: str = "text",
    **more: Unpack[About],
) -> Length:
    """Vote ``label`` where the text has at least ``min`` and at most ``max`` characters, or words.

    Parameters
    ----------
    min, max
        Inclusive; one of them may be left out.
    unit
        ``"chars"`` (code points) or ``"words"`` (what whitespace separates).

    Examples
    --------
    >>> short = length("short", max=40, label=0)
    >>> short.vote({"text": "nice song"})
    0
    """
    return Length(name, min=min, max=max, unit=unit, label=label, field=field, **_any(more))


def numeric(
    name: str,
    *,
    field: str,
    min: Number | None = None,  # noqa: A002
    max: Number | None = None,  # noqa: A002
    label: int,
    **more: Unpack[About],
) -> Numeric:
    """Vote ``label`` where a number is at least ``min`` and at most ``max``; NaN abstains.

    Parameters
    ----------
    min, max
        Inclusive; one of them may be left out.

    Examples
    --------
    >>> big = numeric("big", field="amount", min=60.0, label=1)
    >>> big.vote({"amount": 60})
    1
    """
    return Numeric(name, min=min, max=max, label=label, field=field, **_any(more))


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
        Instead of ``values``: a UTF-8 text file of one value a line (empty lines and surrounding whitespace do
        not count), relative to the project. Its content is part of the function's meaning, its name is not.
    ignore_case
        Compare as ``str.casefold`` does.
    fold
        Take for the same what looks the same, as `keyword` does.

    Examples
    --------
    >>> blocked = lookup("blocked", field="author", values=["spam_king"], label=1)
    >>> blocked.vote({"author": "spam_king"})
    1
    """
    if (values is None) == (file is None):
        raise _error(name, "give either values=[...] or file=..., one of them")
    if file is not None:
        values = [line for _, line in _lines_of(name, file)]
    if isinstance(values, str):
        raise _error(name, f"values must be a list of strings, not {values!r}")
    path = None if file is None else Path(file).as_posix()
    return Lookup(
        name,
        values=_any(values),
        file=path,
        label=label,
        field=field,
        ignore_case=ignore_case,
        fold=fold,
        **_any(more),
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
        Instead of ``weights``: a UTF-8 text file with a word, a tab (or comma) and its weight on each line,
        relative to the project. Its content is part of the function's meaning, its name is not.
    ignore_case, fold
        As `keyword` has them.

    Examples
    --------
    >>> angry = lexicon("angry", weights={"awful": 1, "broken": 0.5, "thanks": -1}, threshold=1, label=1)
    >>> angry.vote({"text": "Broken and awful. Thanks."})
    -1
    """
    if (weights is None) == (file is None):
        raise _error(name, "give either weights={...} or file=..., one of them")
    if weights is not None and not isinstance(weights, Mapping):
        raise _error(name, f"weights must map words to numbers, not be {weights!r}")
    pairs = _weights_of(name, file) if file is not None else list(_any(weights).items())
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
        **_any(more),
    )


def _any(value: Any) -> Any:
    """Hand over what a user gave; the class checks and normalises it."""
    return value


def _error(name: str, message: str, *, place: str | None = None, fix: str | None = None) -> LabelingFunctionError:
    where = f"labeling function {name!r}"
    return LabelingFunctionError(message, where=f"{where}, {place}" if place else where, fix=fix)


def _is_string(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


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


def _normalise_pattern(lf: Regex | Count, parameter: str) -> None:
    pattern, flags = getattr(lf, parameter), lf.flags
    if isinstance(pattern, re.Pattern):
        pattern, flags = pattern.pattern, flags | pattern.flags
    if not isinstance(pattern, str):
        lf.fail(f"{parameter} must be a regular expression for text, not {pattern!r}")
    try:
        re.compile(pattern, flags)
    except (re.error, ValueError, TypeError, OverflowError, RecursionError) as error:
        lf.fail(
            f"{parameter}: {pattern!r} is not a regular expression: {error}",
            fix=r"correct it; a character that stands for itself needs a backslash, such as \( or \*",
        )
    lf._set(parameter, pattern)
    lf._set("flags", int(flags) & ~int(re.UNICODE))  # every text pattern has it


def _normalise_bounds(lf: Count | Length | Numeric, *, whole: bool) -> None:
    for side in ("min", "max"):
        bound = getattr(lf, side)
        if bound is None:
            continue
        wrong = isinstance(bound, bool) or not isinstance(bound, int if whole else Real)
        if wrong or (not isinstance(bound, int) and math.isnan(bound)):
            lf.fail(f"{side} must be a {'whole ' if whole else ''}number, not {bound!r}")
        if not isinstance(bound, int):
            # 60.0 and 60 are one bound, and shall have one fingerprint.
            bound = float(bound)
            bound = int(bound) if bound.is_integer() else bound
        lf._set(side, bound)
    if lf.min is None and lf.max is None:
        lf.fail("give min, max or both")
    if lf.min is not None and lf.max is not None and lf.min > lf.max:
        lf.fail(f"min {lf.min} is greater than max {lf.max}: it could never vote")


def _within(low: Number | None, high: Number | None, measure: Callable[[Any], Any]) -> Predicate:
    if high is None:
        return lambda value: measure(value) >= low
    if low is None:
        return lambda value: measure(value) <= high
    return lambda value: low <= measure(value) <= high


def _measure(unit: str) -> Callable[[str], int]:
    # str.split and \S+ agree on what whitespace is; the former is faster.
    return len if unit == "chars" else lambda text: len(text.split())


def nearest_float(bound: Number | None, towards: float) -> float | None:
    """Return the first float at a bound or beyond it, in the direction of what is allowed."""
    if bound is None:
        return None
    try:
        nearest = float(bound)
    except OverflowError:
        nearest = math.inf if bound > 0 else -math.inf
    outside = nearest < bound if towards > 0 else nearest > bound
    return math.nextafter(nearest, towards) if outside else nearest


def _rounded(towards: Callable[[float], int], bound: Number | None) -> Number | None:
    return towards(bound) if isinstance(bound, float) and math.isfinite(bound) else bound


def _lines_of(name: str, file: str | Path) -> list[tuple[int, str]]:
    try:
        return read_lines(file)
    except LabelingFunctionError as error:
        raise _error(name, error.message, place=error.where, fix=error.fix) from error


def _weights_of(name: str, file: str | Path) -> Iterator[tuple[str, float]]:
    for number, line in _lines_of(name, file):
        word, separator, text = line.rpartition("\t" if "\t" in line else ",")
        try:
            weight = float(text) if separator else None
        except ValueError:
            weight = None
        if weight is None or not _is_finite(weight):
            raise _error(
                name,
                f"{line!r} is not a word, a tab and a finite weight",
                place=f"{file}:{number}",
                fix="write a number such as 2 or -0.5 after the tab",
            )
        yield word.strip(), weight


def _is_finite(number: Any) -> bool:
    try:
        return not isinstance(number, bool) and math.isfinite(number)
    except (TypeError, OverflowError):
        return False
