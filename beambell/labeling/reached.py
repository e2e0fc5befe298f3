"""All that a labeling function reaches while it votes, described so that equal meanings have equal descriptions.

The walk turns a labeling function, its helpers, classes and constants into nested lists of strings, in an order that
depends on names only: the same in every process and on every machine. A definition that is reached a second time is
described by its number: cycles end, and sharing is seen.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

from beambell.labeling import folding
from beambell.labeling.conditions import AllOf, AnyOf, Combination, Condition, Not
from beambell.labeling.core import LabelingFunction, meaning
from beambell.labeling.files import Resource
from beambell.labeling.normal_form import (
    Form,
    canonical,
    find_class,
    find_definition,
    normal_form,
    parse,
    source_lines,
    text_of,
)
from beambell.labeling.python import Decorated, SnorkelFunction, adopt
from beambell.labeling.users_code import UsersCode

_PLAIN = (bool, int, float, complex, str, type(None), type(...), type(NotImplemented), range, slice)
_CONTAINERS = (tuple, list, set, frozenset, Mapping)
_STANDARD = frozenset({"builtins", "collections", "types"})
_CONSTANT_FORMS = frozenset({
    *(kind.__name__ for kind in _PLAIN), *("tuple", "list", "set", "frozenset", "dict", "bytes", "pattern", "enum"),
})  # fmt: skip


@dataclass(frozen=True)
class Definition:
    """A function or class of the user's own that runs while a labeling function votes.

    Attributes
    ----------
    node
        Syntax tree of the definition, with the lines of its file.
    scope
        Values of the names around the definition.
    file
        Path of the source file.
    is_built
        Whether it is a class of which there was an object before any vote: its constructor has run.
    """

    node: ast.AST
    scope: Mapping[str, Any]
    file: str
    is_built: bool = False


def definitions(lf: LabelingFunction) -> list[Definition]:
    """Return the definitions that a labeling function reaches, but for those that only load its resources."""
    walk = Walk.of(adopt(lf))
    return [replace(one, is_built=id(thing) in walk.built) for one, thing in walk.reached]


class Walk:
    """One walk over all that a labeling function reaches.

    Parameters
    ----------
    home
        Name of the package that the labeling function is in (see `package_of`).

    Attributes
    ----------
    form
        Description of the labeling function: nested lists of strings.
    texts
        Source texts of the definitions that were reached, then one of the constants that they use.
    reached
        Definitions that run while it votes, each with the function or class it makes.
    built
        Ids of the classes that reached objects are of.
    """

    def __init__(self, home: str) -> None:
        self._code = UsersCode(home)
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # an object that is gone could lend its id to another
        self._open: set[int] = set()
        self._definitions: list[str] = []
        self._constants: dict[str, str] = {}
        self._loading = 0
        self.reached: list[tuple[Definition, Any]] = []
        self.built: set[int] = set()
        self.form: Form = None

    @classmethod
    def of(cls, lf: LabelingFunction) -> Walk:
        """Walk over all that a labeling function reaches."""
        walk = cls(package_of(lf))
        walk.form = walk.value(lf)
        return walk

    @property
    def texts(self) -> list[str]:
        """Source texts of the definitions, then one of the constants."""
        constants = [f"{name} = {text}" for name, text in sorted(self._constants.items())]
        return [*self._definitions, *(["\n".join(constants)] if constants else [])]

    def value(self, thing: Any) -> Form:
        """Describe any value."""
        if type(thing) in _PLAIN:
            return [type(thing).__name__, repr(thing)]
        if isinstance(thing, _CONTAINERS) and type(thing).__module__ in _STANDARD:
            return self._once_at_a_time(thing, self._container)
        for kinds, describe in self._special():
            if isinstance(thing, kinds):
                return describe(thing)
        if callable(thing) and hasattr(thing, "__wrapped__"):  # functools.cache and its like
            return self._numbered(thing, lambda t: ["wrapper", _name(type(t)), self.value(t.__wrapped__)])
        return self._numbered(thing, self._instance)

    def _special(self) -> tuple[tuple[Any, Callable[[Any], Form]], ...]:
        numbered = self._numbered
        return (
            (LabelingFunction, lambda t: numbered(t, self._labeling_function)),
            (Enum, lambda t: ["enum", _name(type(t)), t.name, self.value(t.value)]),
            (bytes | bytearray | memoryview, lambda t: ["bytes", hashlib.sha256(t).hexdigest()]),
            (re.Pattern, lambda t: ["pattern", repr(t.pattern), str(t.flags)]),
            (np.ndarray, self._array),
            (np.generic, lambda t: ["number", t.dtype.str, repr(t.item())]),
            (PurePath, lambda t: ["path", t.as_posix()]),
            (Resource, self._resource),
            (types.FunctionType, lambda t: numbered(t, self._function)),
            (type, lambda t: numbered(t, self._class)),
            (types.ModuleType, lambda t: numbered(t, self._module)),
            (types.MethodType, lambda t: ["method", self.value(t.__func__), self.value(t.__self__)]),
            (types.BuiltinFunctionType, self._builtin),
            (functools.partial, lambda t: ["partial", *map(self.value, (t.func, t.args, t.keywords))]),
        )

    # --- values ------------------------------------------------------------------------------------------------

    def _resource(self, resource: Resource) -> Form:
        self._loading += 1  # what loads it may read files: they are known
        try:
            return ["resource", resource.digest, self.value(resource.load)]
        finally:
            self._loading -= 1

    def _reach(self, thing: Any, node: ast.AST, scope: Mapping[str, Any], file: str | None) -> None:
        if not self._loading and file is not None:
            self.reached.append((Definition(node, scope, file), thing))

    def _container(self, thing: Any) -> Form:
        name = type(thing).__name__
        if isinstance(thing, Mapping):
            # The order of a dict can decide a vote (first match wins), so it counts.
            return [name, [[self.value(key), self.value(item)] for key, item in thing.items()]]
        items = [self.value(item) for item in thing]
        return [name, sorted(items, key=canonical) if isinstance(thing, set | frozenset) else items]

    def _array(self, array: np.ndarray[Any, Any]) -> Form:
        if array.dtype.hasobject:
            return ["array", list(map(str, array.shape)), self.value(array.ravel().tolist())]
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return ["array", list(map(str, array.shape)), array.dtype.str, digest]

    def _builtin(self, thing: types.BuiltinFunctionType) -> Form:
        owner = thing.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return ["library", _name(thing)]
        return ["method", thing.__name__, self.value(owner)]

    def _instance(self, thing: Any) -> Form:
        """Describe any other object by its class and its state, as pickling it would."""
        snorkel = sys.modules.get("snorkel.map.core")
        if snorkel is not None and isinstance(thing, snorkel.BaseMapper):
            state = {k: v for k, v in vars(thing).items() if k not in ("name", "memoize", "_memoize_key", "_cache")}
            return ["mapper", self.value(type(thing)), self.value(state)]
        if hasattr(thing, "detach") and hasattr(thing, "numpy"):  # a torch tensor, which pickles differently each time
            return ["tensor", self._array(thing.detach().cpu().numpy())]
        self.built.add(id(type(thing)))
        try:
            reduced = thing.__reduce_ex__(2)
        except Exception:  # noqa: BLE001  # a lock, a connection, a generator: nothing of it can be constant
            return ["opaque", self.value(type(thing))]
        if isinstance(reduced, str):
            return ["singleton", self.value(type(thing)), reduced]
        build, arguments, state, *contents = (*reduced, None, None, None)[:5]
        contents = [None if content is None else list(content) for content in contents]
        return ["object", *map(self.value, (build, arguments, _sorted_state(state), contents))]

    def _labeling_function(self, lf: LabelingFunction) -> Form:
        if isinstance(lf, SnorkelFunction):
            original = lf.original
            parts = {"function": original._f, "resources": original._resources, "pre": original._pre}
        else:
            parts = {}
        everything, apart = meaning(lf), ("original", "condition", "where")
        parameters = {name: value for name, value in everything.items() if name not in apart}
        # What it was before there were folding and panes, it still is without.
        if parameters.get("pane") is None:
            parameters.pop("pane", None)
        if parameters.pop("fold", False):
            parameters["fold"] = folding.DEFINITION
        if "any_of" in parameters:
            parameters["any_of"] = frozenset(parameters["any_of"])
        forms = [[name, self.value(value)] for name, value in sorted({**parameters, **parts}.items())]
        if isinstance(lf, Combination):
            forms.append(["condition", self._condition(lf.condition)])
        if "where" in everything:
            forms.append(["where", self.optional_condition(everything["where"])])
        return [lf.kind, forms]

    def optional_condition(self, condition: Condition | None) -> Form:
        """Describe which rows are counted; where an operand votes counts here, for there only it can hold."""
        if condition is None:
            return None
        bare = condition.condition if isinstance(condition, Combination) else condition
        streams = [lf.streams for lf in (*condition.leaves, condition) if isinstance(lf, LabelingFunction)]
        limits = sorted({"\n".join(names) for names in streams if names is not None})
        return [self._condition(bare), limits]

    def _condition(self, condition: Condition) -> Form:
        """Describe what a combination votes on; of an operand, where it votes counts, and not for which class."""
        match condition:
            case Not(part):
                return ["not", self._condition(part)]
            case AllOf(parts) | AnyOf(parts):
                # Both are commutative, associative and idempotent.
                same, forms = type(condition), {}
                todo = list(parts)
                while todo:
                    part = todo.pop()
                    if isinstance(part, same):
                        todo += part.parts
                    else:
                        form = self._condition(part)
                        forms[canonical(form)] = form
                distinct = [form for _, form in sorted(forms.items())]
                return distinct[0] if len(distinct) == 1 else ["all" if same is AllOf else "any", distinct]
        (leaf,) = condition.leaves
        kind, parameters = self._labeling_function(leaf)
        return [kind, [[name, form] for name, form in parameters if name not in ("label", "streams")]]

    # --- definitions -------------------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> Form:
        cells = self._cells(function)
        if not self._code.owns_named(function.__globals__.get("__name__"), function.__code__.co_filename):
            return ["library", _name(function), cells]
        lines = source_lines(function)
        node = find_definition(function.__code__, lines)
        if node is not None:
            self._definitions.append(text_of(node, lines))
            scope = {**function.__globals__, **_closed_over(function)}
            self._reach(function, node, scope, function.__code__.co_filename)
        return [
            "function",
            self._bytecode(function.__code__) if node is None else normal_form(node),
            cells,
            self.value(function.__defaults__),
            self.value(function.__kwdefaults__),
            self.value({key: item for key, item in vars(function).items() if key != "__wrapped__"}),
            self._references(function.__code__, node, function.__globals__),
        ]

    def _bytecode(self, code: types.CodeType) -> Form:
        """Stand in for source that is not to be had, as in ``exec``; tied to this version of Python."""
        version = list(map(str, sys.version_info[:2]))
        constants = [self._bytecode(c) if isinstance(c, types.CodeType) else self.value(c) for c in code.co_consts]
        return ["bytecode", version, code.co_code.hex(), list(code.co_names), constants]

    def _class(self, cls: type) -> Form:
        module = sys.modules.get(cls.__module__)
        if not self._code.owns_named(cls.__module__, getattr(module, "__file__", None)):
            return ["library", _name(cls)]
        lines = source_lines(cls)
        node = find_class(cls.__qualname__, lines)
        bases = [self.value(base) for base in cls.__bases__]
        methods = {name: member for name, member in vars(cls).items() if isinstance(member, types.FunctionType)}
        if node is None:
            return ["class", _name(cls), bases, [[name, self.value(member)] for name, member in methods.items()]]
        self._definitions.append(text_of(node, lines))
        self._reach(cls, node, vars(module), getattr(module, "__file__", None))
        code = compile(ast.Module([node], type_ignores=[]), "<class>", "exec")
        cells = [[name, self._cells(method)] for name, method in methods.items() if method.__closure__]
        return ["class", normal_form(node), bases, cells, self._references(code, node, vars(module))]

    def _module(self, module: types.ModuleType) -> Form:
        """Describe a module handed around as a value: whatever is in it may be used."""
        tree = parse("".join(source_lines(module))) if self._code.owns(module) else None
        return ["library", module.__name__] if tree is None else ["module", normal_form(tree)]

    def _cells(self, function: types.FunctionType) -> Form:
        """Describe the variables that a function closes over."""
        forms = []
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                forms.append([name, self.value(cell.cell_contents)])
            except ValueError:  # not assigned yet
                forms.append([name, ["empty"]])
        return forms

    def _references(self, code: types.CodeType, node: ast.AST | None, scope: Mapping[str, Any]) -> Form:
        """Describe what a definition uses of the module around it, by name."""
        forms = []
        for path, part in self._code.references(code, node, scope):
            form = self.value(part)
            forms.append([path, form])
            if form[0] in _CONSTANT_FORMS:
                self._constants.setdefault(path, shortened(part))
        return forms

    # --- order -------------------------------------------------------------------------------------------------

    def _numbered(self, thing: Any, describe: Callable[[Any], Form]) -> Form:
        """Describe a thing with an identity where it is first met, and refer to that afterwards."""
        if id(thing) in self._numbers:
            return ["again", str(self._numbers[id(thing)])]
        self._numbers[id(thing)] = len(self._numbers)
        self._kept.append(thing)
        return describe(thing)

    def _once_at_a_time(self, thing: Any, describe: Callable[[Any], Form]) -> Form:
        """Describe a container by value wherever it is met, but not within itself."""
        if id(thing) in self._open:
            return ["itself"]
        self._open.add(id(thing))
        try:
            return describe(thing)
        finally:
            self._open.discard(id(thing))


def _closed_over(function: types.FunctionType) -> dict[str, Any]:
    """Return the variables that a function closes over, as far as they have a value."""
    known: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            known[name] = cell.cell_contents
    return known


def package_of(lf: LabelingFunction) -> str:
    """Return the name of the top-level package that a labeling function is defined in; empty if in none."""
    function: Any = lf
    if isinstance(lf, Decorated):
        function = inspect.unwrap(lf.function)
    elif isinstance(lf, SnorkelFunction):
        function = inspect.unwrap(lf.original._f)
    module: str = getattr(function, "__module__", None) or ""
    return module.partition(".")[0]


def _sorted_state(state: Any) -> Any:
    """Put attributes in the order of their names: the order they were set in means nothing."""
    if isinstance(state, tuple) and len(state) == 2:  # with __slots__
        return tuple(map(_sorted_state, state))
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        return state
    # Some objects remember the address of an attribute, which is another in every process.
    addresses = {id(value) for value in state.values()}
    return {name: value for name, value in sorted(state.items()) if type(value) is not int or value not in addresses}


def _name(thing: Any) -> str:
    module = getattr(thing, "__module__", None) or ""
    return f"{module}.{getattr(thing, '__qualname__', getattr(thing, '__name__', type(thing).__name__))}"


def shortened(value: Any, longest: int = 2000) -> str:
    """Write a value as text, cut after ``longest`` characters."""
    text = repr(sorted(value, key=repr)) if isinstance(value, set | frozenset) else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
