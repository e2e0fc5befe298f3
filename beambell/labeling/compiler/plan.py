"""Decides how each labeling function is computed, and shares among them what can be shared."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from beambell.labeling.compiler.alphabet import Alphabet
from beambell.labeling.compiler.charsets import ANY, CharSet, category
from beambell.labeling.compiler.dfa import MOST_STATES, Dfa
from beambell.labeling.compiler.factors import factors, heat
from beambell.labeling.compiler.program import (
    Check,
    Confirm,
    EqualRun,
    Found,
    Range,
    Score,
    Tally,
    TextProgram,
    Vote,
)
from beambell.labeling.compiler.store import Patterns
from beambell.labeling.compiler.syntax import (
    Chars,
    Choice,
    Concat,
    Look,
    Repeat,
    Syntax,
    Tree,
    concat,
    essence,
    one_character,
    parse,
    words,
)
from beambell.labeling.kinds import Count, Keyword, Length, Lexicon, Regex, Textual

Build = Callable[[Patterns, int], Dfa | None]

SMALL: Final = 256
"""States that a regular expression may have of its own to join the automaton that all texts pass through."""

ALONE: Final = 2_000
"""States that a regular expression may have in an automaton that only its candidates pass through."""

SELDOM: Final = 0.5
"""Expected factors per text from which on it does not pay to look for candidates first."""

EVERYWHERE: Final = 20.0
"""Expected factors per text from which on `re`, which stops at the first match, is the fastest."""

HOT: Final = 0.3
"""Share of all characters from which on an unbounded repeat is under way in too many places at once."""

EQUAL: Final = 3
"""Equal characters in a row that are worth looking for; two are too common."""

LANES: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How the votes of one labeling function are computed.

    Attributes
    ----------
    lf
        Its name.
    how
        ``"scan"`` (in the automaton of its column), ``"scan, then automaton"``, ``"own scan"``, ``"scan, then re"``,
        ``"count"``, ``"hash"``, ``"vector"``; or by the plain evaluation: ``"re"`` (Python searches every text),
        ``"python"`` (its own code for every row), ``"plain"`` (whatever its kind does).
    why
        In words for its author; empty where there is nothing to add.
    """

    lf: str
    how: str
    why: str = ""

    @property
    def plain(self) -> bool:
        """Whether it is left to the plain evaluation."""
        return self.how in ("re", "python", "plain")


class _Search(NamedTuple):
    """What becomes of one pattern: emitted as ``output``, after ``confirm`` or a question to `re` if need be."""

    how: str
    why: str
    output: int | None = None
    candidate: int | None = None
    confirm: Dfa | None = None
    sure_of_ascii: bool = False


class _Asked(NamedTuple):
    vote: Vote
    lf: Textual
    search: _Search


class TextPlanner:
    """Plans the labeling functions of one column of texts.

    Parameters
    ----------
    build
        Builds an automaton, or finds that it would be too big.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._outputs = itertools.count()
        self._factors: dict[tuple[tuple[CharSet, ...], ...], int] = {}
        self._equal_runs: dict[tuple[int, CharSet | None], EqualRun] = {}
        self._words: dict[tuple[str, bool], int] = {}
        self._shared: list[tuple[Tree, int]] = []
        self._regexes: list[tuple[Tree, int]] = []
        self._apart: list[tuple[Tree, int]] = []
        self._asked: list[_Asked] = []
        self._lexicons: list[tuple[Vote, Lexicon, dict[int, float]]] = []
        self._counts: list[tuple[Vote, str, tuple[CharSet, bool], int | None, int | None]] = []

    def add(self, vote: Vote, lf: Textual) -> None:
        """Add a labeling function."""
        if isinstance(lf, Keyword):
            self._add_keyword(vote, lf)
        elif isinstance(lf, Lexicon):
            self._add_lexicon(vote, lf)
        elif isinstance(lf, Length):
            self._counts.append((vote, lf.name, _UNITS[lf.unit], lf.min, lf.max))
        elif isinstance(lf, Count):
            self._add_count(vote, lf)
        elif isinstance(lf, Regex):
            self._asked.append(_Asked(vote, lf, self._search(lf.pattern, lf.flags, only_whether=True)))
        else:
            self._asked.append(_Asked(vote, lf, _Search("re", f"the compiler does not know the kind {lf.kind!r}")))

    def finish(self) -> tuple[TextProgram, dict[int, Plan]]:
        """Build the automata of all that was added; those planned as ``"re"`` are left to the plain evaluation."""
        automata, failed = self._pack([*self._shared, *self._regexes], MOST_STATES)
        more, also_failed = self._pack(self._apart, ALONE)
        failed |= also_failed
        width = -(-next(self._outputs) // 64) or 1
        direct: dict[int, Vote] = {}
        confirms: list[Confirm] = []
        checks: list[Check] = []
        plans: dict[int, Plan] = {}
        for vote, lf, search in self._asked:
            how, why, output, candidate, confirm, sure = search
            if failed & {output, candidate}:
                how, why, output, candidate = "re", "no automaton can hold it", None, None
            if candidate is not None and output is None:
                checks.append(Check(vote, candidate, sure, lf.predicate, _without_a_match(lf)))
            elif output is not None:
                direct[output] = vote
                if candidate is not None and confirm is not None:
                    confirms.append(Confirm(candidate, confirm))
            plans[vote.column] = Plan(lf.name, how, why)
        scores = []
        for vote, lexicon, weights in self._lexicons:
            if failed & weights.keys() or not math.isfinite(math.fsum(map(abs, weights.values()))):
                plans[vote.column] = Plan(lexicon.name, "re", "no automaton can hold its words")
            else:
                scores.append(Score.of(vote, weights, lexicon.threshold, width))
                plans[vote.column] = Plan(lexicon.name, "scan")
        tallies = _tallies(self._counts)
        plans |= {vote.column: Plan(name, "count") for vote, name, _, _, _ in self._counts}
        return TextProgram(
            width,
            (*automata, *more),
            tuple(self._equal_runs.values()),
            tuple(confirms),
            _found(direct, width),
            tuple(scores),
            tallies,
            tuple(checks),
        ), plans

    def _add_keyword(self, vote: Vote, lf: Keyword) -> None:
        output = next(self._outputs)
        for word in lf.any_of:
            tree = words([word], whole_words=lf.whole_words, ignore_case=lf.ignore_case)
            self._shared.append((essence(tree), output))
        self._asked.append(_Asked(vote, lf, _Search("scan", "", output)))

    def _add_lexicon(self, vote: Vote, lf: Lexicon) -> None:
        outputs = {}
        for word, weight in lf.weights:
            key = word, lf.ignore_case
            if key not in self._words:
                self._words[key] = next(self._outputs)
                tree = words([word], whole_words=True, ignore_case=lf.ignore_case)
                self._shared.append((tree, self._words[key]))
            outputs[self._words[key]] = weight
        self._lexicons.append((vote, lf, outputs))

    def _add_count(self, vote: Vote, lf: Count) -> None:
        what = _UNITS.get(lf.of) or one_character(lf.of, lf.flags)
        if what is not None:
            self._counts.append((vote, lf.name, what, lf.min, lf.max))
        else:
            self._asked.append(_Asked(vote, lf, self._search(lf.of, lf.flags, only_whether=False)))

    def _search(self, pattern: str, flags: int, *, only_whether: bool) -> _Search:
        """Choose how to look for a regular expression; `only_whether` it is found, or how often as well."""
        try:
            return self._search_tree(parse(pattern, flags), only_whether=only_whether)
        except RecursionError:
            return _Search("re", "its groups are nested too deeply")

    def _search_tree(self, syntax: Syntax, *, only_whether: bool) -> _Search:  # noqa: PLR0911  # one for each way
        tree = essence(syntax.tree)
        required = factors(tree)
        frequency = required.frequency if required else math.inf
        unlimited = frequency > EVERYWHERE and not _looks(tree)
        exact = syntax.exact and only_whether
        alone = self._build(((tree, 0),), ALONE) if exact and not unlimited else None
        if alone is not None and alone.n_states <= SMALL and _is_calm(tree):
            output = next(self._outputs)
            self._regexes.append((tree, output))
            return _Search("scan", "", output)
        if required is not None and frequency <= SELDOM:
            candidate = self._candidate(required.alternatives)
            if alone is None:
                why = "too many states" if exact else _INEXACT if only_whether else _COUNTED
                return _Search("scan, then re", why, None, candidate)
            output = next(self._outputs)
            confirm = dataclasses.replace(alone, emits=alone.emits + output, ends=alone.ends + output)
            return _Search("scan, then automaton", "", output, candidate, confirm)
        if alone is not None:
            output = next(self._outputs)
            self._apart.append((tree, output))
            return _Search("own scan", "it contains nothing rare to look for first", output)
        if syntax.equal >= EQUAL:
            sure = only_whether and syntax.equal_only is not None
            return _Search("scan, then re", _INEXACT, None, self._equal_run(syntax), sure_of_ascii=sure)
        if unlimited and exact:
            return _Search("re", "it is found in nearly every text")
        why = "too many states" if exact else _INEXACT if only_whether else _COUNTED
        return _Search("re", f"{why}, and it contains nothing rare to look for first")

    def _candidate(self, alternatives: tuple[tuple[CharSet, ...], ...]) -> int:
        if alternatives not in self._factors:
            output = self._factors[alternatives] = next(self._outputs)
            self._shared += [(concat(map(Chars, window)), output) for window in alternatives]
        return self._factors[alternatives]

    def _equal_run(self, syntax: Syntax) -> int:
        key = syntax.equal, syntax.equal_only
        if key not in self._equal_runs:
            inside = np.ones(256, dtype=np.uint8)
            if syntax.equal_only is not None:
                inside[:128] = [code in syntax.equal_only for code in range(128)]
            self._equal_runs[key] = EqualRun(syntax.equal, inside, next(self._outputs))
        return self._equal_runs[key].output

    def _pack(self, patterns: Sequence[tuple[Tree, int]], most: int) -> tuple[list[Dfa], set[int | None]]:
        """Build as few automata as can hold all patterns; return them, and the outputs of those that none can."""
        if not patterns:
            return [], set()
        # A state or two for each character is what words need; much more means that patterns multiply.
        limit = 2_000 + 3 * sum(_size(tree) for tree, _ in patterns)
        if limit <= MOST_STATES:
            dfa = self._build(tuple(patterns), min(limit, most))
            if dfa is not None:
                return [dfa], set()
        if len(patterns) == 1:
            return [], {patterns[0][1]}
        half = len(patterns) // 2
        first, second = self._pack(patterns[:half], most), self._pack(patterns[half:], most)
        return first[0] + second[0], first[1] | second[1]


_INEXACT: Final = "only `re` knows backreferences, atomic groups and looks at more than one character"
_COUNTED: Final = "only `re` tells which of its matches overlap"
_UNITS: Final = {"chars": (ANY, False), "words": (category(r"\S"), True)}


def _without_a_match(lf: Textual) -> bool:
    """Whether it votes on a text in which its pattern is not found."""
    return isinstance(lf, Count) and (lf.min is None or lf.min <= 0) and (lf.max is None or lf.max >= 0)


def _found(direct: dict[int, Vote], width: int) -> Found:
    mask = np.zeros(width, dtype=np.uint64)
    labels, columns = np.zeros(64 * width, dtype=np.int8), np.zeros(64 * width, dtype=np.int64)
    for output, vote in direct.items():
        mask[output // 64] |= np.uint64(1 << output % 64)
        labels[output], columns[output] = vote.label, vote.column
    return Found(mask, labels, columns)


def _tallies(
    counts: Iterable[tuple[Vote, str, tuple[CharSet, bool], int | None, int | None]],
) -> tuple[Tally, ...]:
    ranges: dict[tuple[CharSet, bool], list[tuple[Vote, int | None, int | None]]] = {}
    for vote, _, what, low, high in counts:
        ranges.setdefault(what, []).append((vote, low, high))
    whats = list(ranges)
    return tuple(_tally(whats[i : i + LANES], ranges) for i in range(0, len(whats), LANES))


def _tally(
    whats: Sequence[tuple[CharSet, bool]],
    ranges: dict[tuple[CharSet, bool], list[tuple[Vote, int | None, int | None]]],
) -> Tally:
    alphabet = Alphabet.of(members for members, _ in whats)
    packed = np.zeros(256, dtype=np.uint64)
    for lane, (members, _) in enumerate(whats):
        packed[alphabet.symbols(members)] |= np.uint64(1 << 8 * lane)
    runs = sum(1 << 8 * lane for lane, (_, run) in enumerate(whats) if run)
    steps = (Range(vote, lane, low, high) for lane, what in enumerate(whats) for vote, low, high in ranges[what])
    return Tally(alphabet, packed, runs, tuple(steps))


def _size(tree: Tree) -> int:
    """Return how many nodes a tree needs."""
    if isinstance(tree, Concat):
        return sum(map(_size, tree.parts))
    if isinstance(tree, Choice):
        return 1 + sum(map(_size, tree.options))
    if isinstance(tree, Repeat):
        return (_size(tree.body) + 1) * max(1, tree.low, tree.high or 0)
    return 1


def _looks(tree: Tree) -> bool:
    """Whether there are any looks in it."""
    if isinstance(tree, Concat):
        return any(map(_looks, tree.parts))
    if isinstance(tree, Choice):
        return any(map(_looks, tree.options))
    return isinstance(tree, Look) or (isinstance(tree, Repeat) and _looks(tree.body))


def _is_calm(tree: Tree) -> bool:
    """Whether its matches are soon over, so that they seldom coincide with those of other patterns."""
    if isinstance(tree, Concat):
        return all(map(_is_calm, tree.parts))
    if isinstance(tree, Choice):
        return all(map(_is_calm, tree.options))
    if isinstance(tree, Repeat):
        return (tree.high is not None or heat(tree.body) <= HOT) and _is_calm(tree.body)
    return True
