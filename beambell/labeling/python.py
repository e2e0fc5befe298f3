"""Labeling functions written in Python: the decorator, and snorkel's own objects as they are."""

from __future__ import annotations

import dataclasses
import inspect
import operator
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, Unpack, overload

import numpy as np

from beambell.arrays import ABSTAIN, Votes
from beambell.errors import LabelingFunctionError
from beambell.labeling.core import MAX_CLASSES, About, LabelingFunction, OnError
from beambell.labeling.files import Resource
from beambell.labeling.row import Columns, Row
from beambell.labeling.time_limit import Stopped, too_slow

Function = Callable[..., Any]

_TRUTH = (bool, np.bool_)

HALTS = (KeyboardInterrupt, Stopped)
"""What ends more than the row it was raised on."""


def ordinary(error: BaseException) -> Exception:
    """Return an exception to record: of one that would end the program, such as `SystemExit`, an ordinary one."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)


def refuse_to_combine(lf: LabelingFunction) -> NoReturn:
    """Say that code has no part in combinations: nobody knows where it would not vote, and where it cannot."""
    lf.fail(
        "only declarative labeling functions, and combinations of them, can be combined with &, | and ~",
        fix="write it as a keyword, regex, count, length, numeric, lookup or lexicon, or write all of it in Python",
    )


class Scripted(LabelingFunction):
    """A labeling function whose vote is whatever some code returns, checked row by row."""

    @cached_property
    @abstractmethod
    def call(self) -> Callable[[Row], Any]:
        """The code, as a function of the row alone."""

    def _vote(self, row: Row) -> int:
        return self._checked(self.call(row), MAX_CLASSES)

    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:
        """Vote row by row over the columns it reads, int8 [n]."""
        votes: list[Any] = []
        call, n_checked = self.call, 0
        try:
            inputs = self._inputs(columns)
            rest = iter(inputs)
            while len(votes) < columns.n_rows:
                error = None
                try:
                    votes.extend(map(call, rest))  # without a step in Python between two calls, until one fails
                    if len(votes) < columns.n_rows:  # that was a StopIteration, which map takes for the end
                        votes.append(call(inputs[len(votes)]))
                except HALTS:
                    raise
                except BaseException as failure:  # noqa: BLE001  # a failure of a user's code is that row's alone
                    error = ordinary(failure)
                n_checked = self._check(votes, n_checked, cardinality, on_error)
                if error is not None:
                    on_error(len(votes), error)
                    votes.append(ABSTAIN)
        except Stopped as stop:
            position = self._check(votes, n_checked, cardinality, on_error)
            votes += [ABSTAIN] * (columns.n_rows - position)
            return self._given_up(np.fromiter(votes, np.int8, len(votes)), position, stop, on_error)
        return np.fromiter(votes, np.int8, len(votes))

    def __and__(self, other: object) -> NoReturn:
        refuse_to_combine(self)

    __or__ = __rand__ = __ror__ = __and__

    def __invert__(self) -> NoReturn:
        refuse_to_combine(self)

    def _inputs(self, columns: Columns) -> Sequence[Any]:
        """What the code is called with, row by row."""
        return columns.rows(self.fields)

    def _check(self, votes: list[Any], start: int, cardinality: int, on_error: OnError) -> int:
        """Make votes of what was returned from a row on, abstentions of what is none; return the number of rows."""
        some, accepted = votes[start:], self._accepted_votes(cardinality)
        kinds = set(map(type, some))
        if kinds == {bool} and self.label in accepted:
            votes[start:] = map({True: self.label, False: ABSTAIN}.__getitem__, some)
        elif kinds != {int} or not accepted.issuperset(some):
            for position, vote in enumerate(some, start):
                if type(vote) is not int or vote not in accepted:
                    votes[position] = ABSTAIN
                    try:
                        votes[position] = self._checked(vote, cardinality)
                    except HALTS:
                        raise
                    except BaseException as error:  # noqa: BLE001  # it may be any object of the user's
                        on_error(position, ordinary(error))
        return len(votes)

    @staticmethod
    def _given_up(votes: Votes, position: int, stop: Stopped, on_error: OnError) -> Votes:
        """Abstain from a row on: the time is up."""
        votes[position:], error = ABSTAIN, too_slow(stop)
        for rest in range(position, len(votes)):
            on_error(rest, error)
        return votes

    def _accepted_votes(self, cardinality: int) -> frozenset[int]:
        classes = range(cardinality)
        return frozenset({ABSTAIN, *(classes if self.label is None else {self.label}.intersection(classes))})

    def _checked(self, vote: Any, cardinality: int) -> int:
        """Return a vote as an int, or raise."""
        if isinstance(vote, _TRUTH):
            return self._of_truth(bool(vote))
        number = self._whole(vote)
        if not ABSTAIN <= number < cardinality:
            self.fail(f"returned {number}, which is not a class: -1 abstains, classes are 0..{cardinality - 1}")
        if self.label is not None and number not in (self.label, ABSTAIN):
            self.fail(
                f"returned {number}, but is declared to vote label={self.label} or to abstain", fix=self._expected
            )
        return number

    def _of_truth(self, truth: bool) -> int:
        if self.label is None:
            self.fail(
                f"returned {truth}, but has no label that this would vote for or against",
                fix="give it a label=, or return a class or ABSTAIN",
            )
        return self.label if truth else ABSTAIN

    def _whole(self, vote: Any) -> int:
        try:
            return operator.index(vote)
        except TypeError:
            self.fail(
                f"returned {vote!r:.100} ({type(vote).__name__}), which is not the number of a class",
                fix=self._expected,
            )

    @property
    def _expected(self) -> str:
        if self.label is None:
            return "return a class, or ABSTAIN where it has nothing to say"
        return f"return True or False (such as `bool(...)` of it), or the label {self.label} or ABSTAIN"


@dataclass(frozen=True, kw_only=True, eq=False)
class Decorated(Scripted):
    """A function of the user's own, with the columns it reads and what else it is given."""

    function: Function = dataclasses.field(repr=False)
    reads: tuple[str, ...] = ("text",)
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            self.fail(f"needs a function, not {self.function!r}")
        if _never_returns_a_vote(self.function):
            self.fail(
                "is a generator or asynchronous: calling it gives no vote", fix="return the vote from a plain def"
            )
        self._set("reads", tuple(dict.fromkeys(self.strings("fields", self.reads))))
        self._set("given", dict(self.given))
        self.strings("names of resources", self.given)

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns it reads."""
        return self.reads

    @property
    def resources(self) -> Mapping[str, Any]:
        """Keyword arguments of the function, files not loaded yet."""
        return self.given

    @cached_property
    def call(self) -> Callable[[Any], Any]:
        """The function, with its resources loaded."""
        function, given = self.function, self._loaded
        return (lambda row: function(row, **given)) if given else function

    @property
    def _loaded(self) -> dict[str, Any]:
        return {name: self._load(name, r) if isinstance(r, Resource) else r for name, r in self.given.items()}

    def _load(self, name: str, resource: Resource) -> Any:
        try:
            return resource.value
        except Exception as error:  # noqa: BLE001  # whatever a user's code raises
            self.fail(
                f"its resource {name!r} cannot be loaded: {type(error).__name__}: {error}",
                fix=f"correct {resource.name}, or its `load`, which is called with the path",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class PythonFunction(Decorated):
    """Any function of a row. See `labeling_function`."""

    kind = "python"


@dataclass(frozen=True, kw_only=True, eq=False)
class SnorkelFunction(Scripted):
    """A ``snorkel.labeling.LabelingFunction``, preprocessors and resources included, as it is."""

    kind = "snorkel"

    original: Any = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for mapper in preprocessors(self.original):
            # By a key that tells two rows apart by less than all of them, one row's result would be another's, and
            # votes would depend on which rows come together.
            mapper._memoize_key = sys.modules["snorkel.map.core"].get_hashable
            mapper.reset_cache()

    @property
    def fields(self) -> None:
        """Unknown: it may read any column."""
        return

    @property
    def resources(self) -> Mapping[str, Any]:
        """Keyword arguments that snorkel passes to the function."""
        resources: Mapping[str, Any] = self.original._resources
        return resources

    @cached_property
    def call(self) -> Callable[[Row], Any]:
        """The object itself: calling it runs its preprocessors and its function."""
        call: Callable[[Row], Any] = self.original
        return call

    def _of_truth(self, truth: bool) -> int:
        """For snorkel, True is class 1 and False class 0."""
        return int(truth)

    def release(self) -> None:
        """Empty the caches of memoizing preprocessors, which remember every row they have seen for ever."""
        for mapper in preprocessors(self.original):
            mapper.reset_cache()


def _never_returns_a_vote(function: Function) -> bool:
    return any(
        check(function)
        for check in (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    )


def preprocessors(original: Any) -> Iterable[Any]:
    """All preprocessors of a snorkel object, theirs included."""
    for mapper in original._pre:
        yield mapper
        yield from preprocessors(mapper)


def is_labeling_function(thing: object) -> bool:
    """Whether it is a labeling function of this package or of snorkel (which is not imported to find out)."""
    snorkel = sys.modules.get("snorkel.labeling.lf.core")
    return isinstance(thing, LabelingFunction) or (snorkel is not None and isinstance(thing, snorkel.LabelingFunction))


def adopt(thing: Any) -> LabelingFunction:
    """See a labeling function of either package as one of this package.

    Raises
    ------
    LabelingFunctionError
        If it is neither.
    """
    if isinstance(thing, LabelingFunction):
        return thing
    if is_labeling_function(thing):
        return SnorkelFunction(thing.name, original=thing)
    raise LabelingFunctionError(
        f"{thing!r:.100} is not a labeling function", fix="decorate a function of a row with @labeling_function()"
    )


@overload
def labeling_function(name: Function, /) -> PythonFunction: ...
@overload
def labeling_function(
    name: str | None = None,
    *,
    fields: Sequence[str] = ...,
    label: int | None = None,
    resources: Mapping[str, Any] | None = None,
    **more: Unpack[About],
) -> Callable[[Function], PythonFunction]: ...
def labeling_function(
    name: str | Function | None = None,
    *,
    fields: Sequence[str] = ("text",),
    label: int | None = None,
    resources: Mapping[str, Any] | None = None,
    **more: Unpack[About],
) -> PythonFunction | Callable[[Function], PythonFunction]:
    """Make a labeling function of any function of a row.

    Parameters
    ----------
    name
        Name of the labeling function; by default the function's own.
    fields
        Columns it reads; ``id``, ``ts`` and ``stream`` are always there.
    label
        Class that it votes for, if there is only one. The function may then return a truth value: true votes for the
        class, false abstains. Without it, the function returns a class or `ABSTAIN`.
    resources
        Keyword arguments for the function. A `Resource` is loaded once per process.
    **more
        Keywords of every labeling function, as ``beambell.labeling.core.About`` has them. ``description`` is the first
        line of the function's docstring by default.

    Examples
    --------
    >>> @labeling_function(fields=("text", "author"), label=1)
    ... def names_itself(row):
    ...     return row.author.lower() in row.text.lower()
    >>> names_itself.vote({"text": "I am Ann", "author": "ann"})
    1
    """

    def decorate(function: Function) -> PythonFunction:
        return PythonFunction(**decoration(function, name, fields, label, resources, more))

    return decorate(name) if callable(name) else decorate


def decoration(
    function: Function,
    name: object,
    fields: Sequence[str],
    label: int | None,
    resources: Mapping[str, Any] | None,
    more: About,
) -> dict[str, Any]:
    """Return the parameters that a decorator gives; name and description are the function's own by default."""
    documented = (getattr(function, "__doc__", None) or "").strip()
    return {
        "name": name if isinstance(name, str) else getattr(function, "__name__", ""),
        "function": function,
        "reads": fields,
        "label": label,
        "given": resources or {},
        "description": documented.partition("\n")[0],
        **more,
    }
