"""Decides how each labeling function is computed, and shares among them what can be shared."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from beambell.labeling.batch import BatchFunction
from beambell.labeling.charsets import ANY, CharSet, category
from beambell.labeling.compiler.alphabet import FILL, Alphabet, Encoding, encode
from beambell.labeling.compiler.counting import Counted, Range, Within, counters
from beambell.labeling.compiler.dfa import MOST_STATES, Dfa, Machine
from beambell.labeling.compiler.factors import factors, match_rate
from beambell.labeling.compiler.folded import Folded
from beambell.labeling.compiler.program import (
    Check,
    ColumnProgram,
    Combined,
    Confirm,
    EqualRun,
    LookupProgram,
    NumericProgram,
    Program,
    Score,
    TextProgram,
    bits,
)
from beambell.labeling.compiler.store import Patterns
from beambell.labeling.compiler.syntax import (
    Ahead,
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
    word,
)
from beambell.labeling.conditions import Combination
from beambell.labeling.core import LabelingFunction, meaning
from beambell.labeling.declarative import Textual
from beambell.labeling.kinds import Count, Keyword, Length, Lexicon, Lookup, Numeric, Regex
from beambell.labeling.python import Scripted

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


@dataclass(frozen=True, slots=True)
class Plan:
    """How the votes of one labeling function are computed.

    Attributes
    ----------
    lf
        Name of the labeling function.
    how
        ``"scan"`` (in the automaton of its column), ``"scan, then automaton"``, ``"own scan"``, ``"scan, then re"``,
        ``"count"``, ``"hash"``, ``"vector"``, ``"logic"`` (of what its operands find); or by the plain evaluation:
        ``"re"`` (Python searches every text), ``"python"`` (its own code, by row or by batch), ``"plain"`` (whatever
        its kind does).
    why
        Reason in words for the function's author; empty where there is nothing to add.
    """

    lf: str
    how: str
    why: str = ""

    @property
    def plain(self) -> bool:
        """Whether it is left to the plain evaluation."""
        return self.how in ("re", "python", "plain")


class Planner:
    """Plans labeling functions: each gets an output, and so does each condition that one of them combines.

    Parameters
    ----------
    build
        Function that builds an automaton, or finds that it would be too big.
    n_lfs
        The first outputs are left to so many labeling functions.
    """

    def __init__(self, build: Build, n_lfs: int) -> None:
        self._build = build
        self._outputs = itertools.count(n_lfs)
        self._texts: dict[str, TextPlanner] = {}
        self._lookups: dict[str, dict[int, Lookup]] = {}
        self._numbers: dict[str, dict[int, Numeric]] = {}
        self._combinations: dict[int, tuple[Combination, tuple[tuple[int, str], ...]]] = {}
        self._operands: dict[Hashable, int] = {}
        self._plans: dict[int, Plan] = {}
        self.width = 1
        """Words of 64 outputs."""

    def add(self, lf: LabelingFunction, output: int) -> int:
        """Add a labeling function, to be answered by an output; return that."""
        # A subclass may mean something else.
        if type(lf) is Lookup:
            self._lookups.setdefault(lf.field, {})[output] = lf
            self._plans[output] = Plan(lf.name, "hash")
        elif type(lf) is Numeric:
            self._numbers.setdefault(lf.field, {})[output] = lf
            self._plans[output] = Plan(lf.name, "vector")
        elif isinstance(lf, Textual) and type(lf) in _TEXTUAL:
            if lf.field not in self._texts:
                self._texts[lf.field] = TextPlanner(self._build, self._outputs)
            self._texts[lf.field].add(lf, output)
        elif type(lf) is Combination:
            self._combinations[output] = lf, tuple(map(self._operand, lf.leaves))
        elif isinstance(lf, Scripted):
            self._plans[output] = Plan(lf.name, "python", "by batch" if isinstance(lf, BatchFunction) else "by row")
        else:
            self._plans[output] = Plan(lf.name, "plain", f"the compiler does not know the kind {lf.kind!r}")
        return output

    def finish(self) -> tuple[Program, dict[int, Plan]]:
        """Return what runs, and the plan for each output."""
        self.width = 1 + next(self._outputs) // 64
        columns: list[tuple[str, ColumnProgram]] = []
        for field, planner in self._texts.items():
            program, plans = planner.finish(self.width)
            columns.append((field, program))
            self._plans |= plans
        columns += [(field, LookupProgram.of(lookups, self.width)) for field, lookups in self._lookups.items()]
        columns += [(field, NumericProgram.of(numbers)) for field, numbers in self._numbers.items()]
        return Program(self.width, tuple(columns), tuple(self._combined())), self._plans

    def _operand(self, lf: LabelingFunction) -> tuple[int, str]:
        """Return the output of an operand, one for all that mean the same, and the column that it reads."""
        if type(lf) not in (*_TEXTUAL, Lookup, Numeric):
            return self.add(lf, next(self._outputs)), ""
        what = {name: value for name, value in meaning(lf).items() if name not in _NO_CONDITION}
        key = type(lf), tuple(what.items())
        if key not in self._operands:
            self._operands[key] = self.add(lf, next(self._outputs))
        return self._operands[key], what["field"]

    def _combined(self) -> Iterator[Combined]:
        for output, (lf, operands) in self._combinations.items():
            slow = next((self._plans[operand] for operand, _ in operands if self._plans[operand].plain), None)
            if slow is None:
                self._plans[output] = Plan(lf.name, "logic")
                yield Combined(output, lf.condition, operands)
            else:
                self._plans[output] = Plan(lf.name, "plain", f"its operand {slow.lf!r}: {slow.why}")


_TEXTUAL = (Keyword, Regex, Count, Length, Lexicon)
_NO_CONDITION = ("label", "version", "streams")


class _Search(NamedTuple):
    """How one pattern is looked for: emitted at once, or after ``confirm`` or `re` was asked about a candidate."""

    how: str
    why: str
    candidate: int | None = None
    confirm: Dfa | None = None
    sure_of_ascii: bool = False


class _Asked(NamedTuple):
    output: int
    lf: Textual
    search: _Search


class TextPlanner:
    """Plans what is asked about one column of texts.

    Parameters
    ----------
    build
        Function that builds an automaton, or finds that it would be too big.
    outputs
        Numbers that nobody else uses.
    """

    def __init__(self, build: Build, outputs: Iterator[int]) -> None:
        self._build = build
        self._outputs = outputs
        self._factors: dict[tuple[tuple[CharSet, ...], ...], int] = {}
        self._equal_runs: dict[tuple[int, CharSet | None], EqualRun] = {}
        self._words: dict[tuple[str, bool, bool], int] = {}
        self._folded: set[int] = set()
        self._shared: list[tuple[Tree, int]] = []
        self._regexes: list[tuple[Tree, int]] = []
        self._apart: list[tuple[Tree, int]] = []
        self._asked: list[_Asked] = []
        self._lexicons: list[tuple[int, Lexicon, dict[int, float]]] = []
        self._counts: dict[tuple[CharSet, bool], list[Range]] = {}
        self._plans: dict[int, Plan] = {}

    def add(self, lf: Textual, output: int) -> None:
        """Add a labeling function, to be answered by an output."""
        if isinstance(lf, Keyword):
            self._add_keyword(lf, output)
        elif isinstance(lf, Lexicon):
            self._add_lexicon(lf, output)
        elif isinstance(lf, Length):
            self._add_counted(lf, _UNITS[lf.unit], output)
        elif isinstance(lf, Count):
            self._add_count(lf, output)
        elif isinstance(lf, Regex):
            self._asked.append(_Asked(output, lf, self._search(lf.pattern, lf.flags, output, only_whether=True)))
        else:
            why = f"the compiler does not know the kind {lf.kind!r}"
            self._asked.append(_Asked(output, lf, _Search("re", why)))

    def finish(self, width: int) -> tuple[TextProgram, dict[int, Plan]]:
        """Build the automata of all that was added, and tell the plan for each output.

        Parameters
        ----------
        width
            Words of 64 outputs. What is planned as ``"re"`` is not among them.
        """
        automata, failed = self._pack([*self._shared, *self._regexes], MOST_STATES)
        more, also_failed = self._pack(self._apart, ALONE)
        failed |= also_failed
        automata += more
        asked = [self._asked_at_last(question, failed) for question in self._asked]
        confirms = [
            (search.candidate, search.confirm)
            for _, _, search in asked
            if search.candidate is not None and search.confirm is not None
        ]
        letters = [Alphabet.of((members,)) for members, _ in self._counts]
        automatic = [*automata, *(dfa for _, dfa in confirms)]
        encodings = encode([*(dfa.alphabet for dfa in automatic), *letters, Alphabet.of(())])
        machines = [Machine.of(dfa, encoding, width) for dfa, encoding in zip(automatic, encodings, strict=False)]
        confirming = zip((candidate for candidate, _ in confirms), machines[len(automata) :], strict=True)
        return TextProgram(
            encodings[0].script,
            tuple(machines[: len(automata)]),
            Folded(bits(self._folded, width)),
            tuple(self._equal_runs.values()),
            tuple(itertools.starmap(Confirm, confirming)),
            tuple(self._scores(failed, width)),
            tuple(counters(self._counted(letters, encodings[len(automatic) :]))),
            tuple(
                Check(output, search.candidate, search.sure_of_ascii, lf.predicate, _without_a_match(lf))
                for output, lf, search in asked
                if search.candidate is not None and search.confirm is None
            ),
        ), self._plans

    def _counted(self, letters: Iterable[Alphabet], encodings: Iterable[Encoding]) -> Iterator[Counted]:
        for ((members, run), ranges), alphabet, encoding in zip(self._counts.items(), letters, encodings, strict=False):
            inside = np.isin(encoding.columns, alphabet.symbols(members))
            inside[FILL:] = False
            yield Counted(encoding.script, inside, run, Within.whole(ranges))

    def _asked_at_last(self, asked: _Asked, failed: set[int | None]) -> _Asked:
        """Return how a pattern is looked for now that it is known what no automaton can hold."""
        output, lf, search = asked
        if failed & {output, search.candidate}:
            search = _Search("re", "no automaton can hold it")
        self._plans[output] = Plan(lf.name, search.how, search.why)
        return _Asked(output, lf, search)

    def _scores(self, failed: set[int | None], width: int) -> Iterator[Score]:
        for output, lexicon, weights in self._lexicons:
            if failed & weights.keys() or not math.isfinite(math.fsum(map(abs, weights.values()))):
                self._plans[output] = Plan(lexicon.name, "re", "no automaton can hold its words")
            else:
                self._plans[output] = Plan(lexicon.name, "scan")
                yield Score.of(output, weights, lexicon.threshold, width)

    def _add_keyword(self, lf: Keyword, output: int) -> None:
        for text in lf.any_of:
            tree = word(text, whole=lf.whole_words, ignore_case=lf.ignore_case, folded=lf.fold)
            self._shared.append((essence(tree), output))
        if lf.fold:
            self._folded.add(output)
        self._asked.append(_Asked(output, lf, _Search("scan", "")))

    def _add_lexicon(self, lf: Lexicon, output: int) -> None:
        outputs = {}
        for text, weight in lf.weights:
            key = text, lf.ignore_case, lf.fold
            if key not in self._words:
                self._words[key] = next(self._outputs)
                tree = word(text, whole=True, ignore_case=lf.ignore_case, folded=lf.fold)
                self._shared.append((tree, self._words[key]))
                if lf.fold:
                    self._folded.add(self._words[key])
            outputs[self._words[key]] = weight
        self._lexicons.append((output, lf, outputs))

    def _add_count(self, lf: Count, output: int) -> None:
        what = _UNITS.get(lf.of) or one_character(lf.of, lf.flags)
        if what is not None:
            self._add_counted(lf, what, output)
        else:
            self._asked.append(_Asked(output, lf, self._search(lf.of, lf.flags, output, only_whether=False)))

    def _add_counted(self, lf: Count | Length, what: tuple[CharSet, bool], output: int) -> None:
        self._counts.setdefault(what, []).append(Range(output, lf.min, lf.max))
        self._plans[output] = Plan(lf.name, "count")

    def _search(self, pattern: str, flags: int, output: int, *, only_whether: bool) -> _Search:
        """Choose how to look for a regular expression; `only_whether` it is found, or how often as well."""
        try:
            return self._search_tree(parse(pattern, flags), output, only_whether=only_whether)
        except RecursionError:
            return _Search("re", "its groups are nested too deeply")

    def _search_tree(  # noqa: PLR0911  # one for each way
        self, syntax: Syntax, output: int, *, only_whether: bool
    ) -> _Search:
        tree = essence(syntax.tree)
        required = factors(tree)
        frequency = required.frequency if required else math.inf
        unlimited = frequency > EVERYWHERE and not _looks(tree)
        exact = syntax.exact and only_whether
        alone = self._build(((tree, 0),), ALONE) if exact and not unlimited else None
        if alone is not None and alone.n_states <= SMALL and _ends_soon(tree):
            self._regexes.append((tree, output))
            return _Search("scan", "")
        if required is not None and frequency <= SELDOM:
            candidate = self._candidate(required.alternatives)
            if alone is None:
                why = "too many states" if exact else _INEXACT if only_whether else _COUNTED
                return _Search("scan, then re", why, candidate)
            confirm = dataclasses.replace(alone, emits=alone.emits + output, ends=alone.ends + output)
            return _Search("scan, then automaton", "", candidate, confirm)
        if alone is not None:
            self._apart.append((tree, output))
            return _Search("own scan", "it contains nothing rare to look for first")
        if syntax.equal >= EQUAL:
            sure = only_whether and syntax.equal_only is not None
            return _Search("scan, then re", _INEXACT, self._equal_run(syntax), sure_of_ascii=sure)
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


_INEXACT: Final = "only `re` knows backreferences, atomic groups, most looks far behind and those within looks"
_COUNTED: Final = "only `re` tells which of its matches overlap"
_UNITS: Final = {"chars": (ANY, False), "words": (category(r"\S"), True)}


def _without_a_match(lf: Textual) -> bool:
    """Whether it votes on a text in which its pattern is not found."""
    return isinstance(lf, Count) and (lf.min is None or lf.min <= 0) and (lf.max is None or lf.max >= 0)


def _size(tree: Tree) -> int:
    """Return how many nodes a tree needs."""
    if isinstance(tree, Concat):
        return sum(map(_size, tree.parts))
    if isinstance(tree, Choice):
        return 1 + sum(map(_size, tree.options))
    if isinstance(tree, Ahead):
        return 2 + _size(tree.body)
    if isinstance(tree, Repeat):
        return (_size(tree.body) + 1) * max(1, tree.low, tree.high or 0)
    return 1


def _looks(tree: Tree) -> bool:
    """Whether there are any looks in it."""
    if isinstance(tree, Concat):
        return any(map(_looks, tree.parts))
    if isinstance(tree, Choice):
        return any(map(_looks, tree.options))
    return isinstance(tree, Look | Ahead) or (isinstance(tree, Repeat) and _looks(tree.body))


def _ends_soon(tree: Tree) -> bool:
    """Whether its matches are soon over, so that they seldom coincide with those of other patterns."""
    if isinstance(tree, Concat):
        return all(map(_ends_soon, tree.parts))
    if isinstance(tree, Choice):
        return all(map(_ends_soon, tree.options))
    if isinstance(tree, Ahead):
        return _ends_soon(tree.body)
    if isinstance(tree, Repeat):
        return (tree.high is not None or match_rate(tree.body) <= HOT) and _ends_soon(tree.body)
    return True
