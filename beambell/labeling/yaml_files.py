"""Labeling functions written in YAML, for people who do not program.

A file is a list of mappings; the keys are those of the constructors in `beambell.labeling`, and so is the meaning::

    - kind: keyword
      name: refund
      any_of: [refund, money back]
      label: complaint            # a class's name, or its number

    - kind: combination
      name: polite_refund
      when: refund & ~_angry      # names of this file, with & | ~ and parentheses
      label: other

One whose name starts with an underscore is a part for combinations, and does not vote itself.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from beambell.config.bounds import BoundError, check_yaml
from beambell.config.classes import same_text
from beambell.errors import BeamBellError, CatalogueError
from beambell.labeling.conditions import Condition
from beambell.labeling.core import About, LabelingFunction
from beambell.labeling.files import note_read
from beambell.labeling.kinds import count, keyword, length, lexicon, lookup, numeric, regex

KINDS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (keyword, regex, count, length, numeric, lookup, lexicon)
}
COMBINATION = "combination"
_COMBINATION_KEYS = ("name", "when", "label")


def find_files(patterns: Sequence[str], root: Path) -> list[Path]:
    """Find the files that globs name, sorted.

    Raises
    ------
    CatalogueError
        If no file fits one of them, as none fits an absolute one.
    """
    found: set[Path] = set()
    for pattern in patterns:
        files = _glob(root, pattern)
        if not files:
            raise CatalogueError(
                f"no file fits {pattern!r}",
                where="lfs.files in params.yaml",
                fix="make such a file, or take the pattern off lfs: files; patterns are relative to the project",
            )
        found.update(files)
    return sorted(found)


def _glob(root: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in root.glob(pattern) if path.is_file()]
    except (ValueError, NotImplementedError):  # no pattern at all, or an absolute one
        return []


def read_lfs(path: Path, name: str, classes: Sequence[str]) -> list[tuple[LabelingFunction, str]]:
    """Read the labeling functions of one file.

    Parameters
    ----------
    path, name
        Path of the file, and its name in messages.
    classes
        Names of the classes, in their order.

    Returns
    -------
    list of (LabelingFunction, str)
        Each with the place that defines it, ``file:line``.

    Raises
    ------
    CatalogueError
        Naming file, line, labeling function and key.
    """
    loader, root = _parsed(path, name)
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        raise CatalogueError(
            "expected a list of labeling functions", where=f"{name}:{_line(root)}", fix="start each one with `- kind:`"
        )
    lfs: dict[str, LabelingFunction] = {}
    places: dict[str, str] = {}
    for node in root.value:
        entry = _Entry(loader, node, name, classes)
        lf = entry.build(lfs)
        if lf.name in lfs:
            raise entry.error(f"a second one of this name; the first is at {places[lf.name]}", fix="rename one of them")
        lfs[lf.name], places[lf.name] = lf, entry.where
    return [(lf, places[lf.name]) for lf in lfs.values() if not lf.name.startswith("_")]


class _Entry:
    """One mapping of a file, on its way to a labeling function."""

    def __init__(self, loader: yaml.SafeLoader, node: yaml.Node, file: str, classes: Sequence[str]) -> None:
        self._file = file
        self._classes = tuple(classes)
        self.where = f"{file}:{_line(node)}"
        self._name: Any = None
        self._lines: dict[str, int] = {}
        self._values: dict[str, Any] = {}
        if not isinstance(node, yaml.MappingNode):
            raise self.error("expected keys and values", fix="start each labeling function with `- kind:`")
        self._read(loader, node)
        self._name = self._values.get("name")

    def _read(self, loader: yaml.SafeLoader, node: yaml.MappingNode) -> None:
        """Read keys and values; what ``<<`` brings in comes first, so that the mapping's own keys win."""
        own = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            try:
                key = str(loader.construct_object(key_node, deep=True))
                value = loader.construct_object(value_node, deep=True)
            except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
                problem = getattr(error, "problem", None) or error
                raise self.error(f"{key_node.value}: {problem}", key_node) from None
            if own[key] > 1 and key in self._values:
                raise self.error(f"{key!r} is given twice", key_node, fix="keep one of them")
            self._lines[key], self._values[key] = _line(key_node), value

    def build(self, others: Mapping[str, LabelingFunction]) -> LabelingFunction:
        """Make the labeling function; a combination refers to others by name."""
        kind = self._values.pop("kind", None)
        if kind not in (*KINDS, COMBINATION):
            raise self._unknown("kind", kind, [*KINDS, COMBINATION], at="kind")
        values = self._checked(kind)
        if "label" in values:
            values["label"] = self._label(values["label"])
        if "flags" in values:
            values["flags"] = self._flags(values["flags"])
        try:
            if kind == COMBINATION:
                return self._condition(values.pop("when"), others).named(**values)
            lf: LabelingFunction = KINDS[kind](values.pop("name"), **values)
        except BeamBellError as error:
            if isinstance(error, CatalogueError):
                raise
            advice = _quotes(error.message) if isinstance(self._name, str) else _QUOTES
            at = _mentioned(error.message, self._lines)
            raise self.error(error.message, at=at, fix=error.fix or advice) from error
        except TypeError as error:
            raise self.error(f"a value is of a wrong type: {error}", fix=_QUOTES) from error
        return lf

    def _checked(self, kind: str) -> dict[str, Any]:
        """Return the values, all of them under known keys, and all that are needed."""
        needed, allowed = _keys(kind)
        for key in self._values:
            if key not in allowed:
                raise self._unknown(f"key of {kind} LFs called", key, allowed, at=key)
        if missing := [key for key in needed if key not in self._values]:
            raise self.error(f"a {kind} needs {', '.join(missing)}", fix=f"add {missing[0]}: ...")
        return dict(self._values)

    def _label(self, label: Any) -> Any:
        if isinstance(label, str):
            same = same_text(label)
            if same not in self._classes:
                raise self._unknown("class", label, self._classes, at="label")
            return self._classes.index(same)
        if isinstance(label, int) and not isinstance(label, bool) and not 0 <= label < len(self._classes):
            raise self._unknown("class", label, self._classes, at="label")
        return label

    def _flags(self, flags: Any) -> Any:
        names = [flags] if isinstance(flags, str) else flags
        if not isinstance(names, list):
            return flags
        total = re.NOFLAG
        for name in names:
            if name not in re.RegexFlag.__members__:
                raise self._unknown("flag", name, sorted(re.RegexFlag.__members__), at="flags")
            total |= re.RegexFlag[name]
        return int(total)

    def _condition(self, text: Any, others: Mapping[str, LabelingFunction]) -> Condition:
        """Read ``refund & ~(question | thanks)``; it is parsed, never run."""
        fix = "combine names of labeling functions further up with &, | and ~, such as: refund & ~question"
        try:
            tree = ast.parse(str(text).strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self.error(f"when: {text!r} cannot be read", at="when", fix=fix) from None

        def read(node: ast.expr) -> Condition:
            match node:
                case ast.Name(name):
                    lf: Any = others.get(name)
                    if not isinstance(lf, Condition):
                        raise self._unknown("labeling function further up named", name, list(others), at="when")
                    return lf
                case ast.UnaryOp(ast.Invert(), part):
                    return ~read(part)
                case ast.BinOp(left, ast.BitAnd(), right):
                    return read(left) & read(right)
                case ast.BinOp(left, ast.BitOr(), right):
                    return read(left) | read(right)
            raise self.error(f"when: {ast.unparse(node)!r} is not a condition", at="when", fix=fix)

        return read(tree)

    def _unknown(self, what: str, value: Any, known: Sequence[str], *, at: str) -> CatalogueError:
        near = get_close_matches(str(value), known, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
        message = f"it has no {what}" if value is None else f"there is no {what} {value!r}"
        return self.error(message, at=at, fix=fix)

    def error(
        self, message: str, node: yaml.Node | None = None, *, at: str | None = None, fix: str | None = None
    ) -> CatalogueError:
        """Make an error that names file, line and labeling function."""
        line = _line(node) if node is not None else self._lines.get(at or "")
        where = f"{self._file}:{line}" if line else self.where
        about = f", labeling function {self._name!r}" if isinstance(self._name, str) else ""
        return CatalogueError(message, where=where + about, fix=fix)


_SINGLE_QUOTES = r"write it in single quotes, such as '\d+': in double quotes, a backslash means something to YAML"
_QUOTES = "where words are wanted, write yes, no, numbers and dates in quotes: YAML takes them for something else"


_NO_WORD = re.compile(r", not (?:(?P<never_a_number>True|False|datetime\..*)|[-+.\w]+)$")


def _quotes(message: str) -> str | None:
    """Return the advice to write quotes, where a message tells of something else in a word's place."""
    found = _NO_WORD.search(message)
    advised = found and (found["never_a_number"] or "strings" in message or "number" not in message)
    return _QUOTES if advised else None


def _keys(kind: str) -> tuple[list[str], list[str]]:
    """Return the keys that a kind needs, and all that it knows."""
    about = list(About.__annotations__)
    if kind == COMBINATION:
        return list(_COMBINATION_KEYS), [*_COMBINATION_KEYS, *about]
    parameters = inspect.signature(KINDS[kind]).parameters.values()
    named = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    needed = [parameter.name for parameter in named if parameter.default is parameter.empty]
    return needed, [*(parameter.name for parameter in named), *about]


def _mentioned(message: str, keys: Mapping[str, int]) -> str | None:
    """Return the key that a message begins with, for its line."""
    first = message.split(" ", 1)[0].strip("'\":")
    return first if first in keys else None


def _parsed(path: Path, name: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    try:
        note_read(path)
        text = path.read_text(encoding="utf-8-sig")
        check_yaml(text)
        loader = yaml.SafeLoader(text)
        return loader, loader.get_single_node()
    except UnicodeDecodeError as error:
        raise CatalogueError("is not UTF-8", where=name, fix="save the file as UTF-8") from error
    except OSError as error:
        raise CatalogueError(f"cannot be read: {error.strerror}", where=name) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = str(getattr(error, "problem", None) or error)
        fix = _SINGLE_QUOTES if "escape character" in problem else None
        message = problem if isinstance(error, BoundError) else f"not valid YAML: {problem}"
        raise CatalogueError(message, where=where, fix=fix) from None


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1
