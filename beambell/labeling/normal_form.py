"""Source code reduced to what it means: the syntax tree without comments, layout, docstrings and annotations."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

Form = Any
"""Nested lists of strings, the same on every version of Python."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_MEANINGLESS = frozenset({"returns", "type_comment", "type_params", "ctx", "kind"})


def normal_form(node: ast.AST) -> Form:
    """Return the meaning of any node; of a definition, without its own name and decorators.

    Those belong to whoever refers to it: what a decorator made of a function is a value, looked at as such.
    """
    clean = _Clean().visit(copy.deepcopy(node))
    if isinstance(clean, _DEFINITION):
        clean.name, clean.decorator_list = "", []
    return _form(clean)


def canonical(form: Form) -> str:
    """Write a form as text, the same for equal forms: what is hashed, and what forms are sorted by."""
    return json.dumps(form, separators=(",", ":"))


class _Clean(ast.NodeTransformer):
    """Removes what has no effect when the code runs: docstrings, remarks and annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # In a class, annotations make the fields of dataclasses, named tuples and models.
        statements = (s if isinstance(s, ast.AnnAssign) else self.visit(s) for s in node.body)
        node.body = [statement for statement in statements if statement is not None]
        return node


def _form(value: Any) -> Form:
    if isinstance(value, list):
        return [_form(item) for item in value]
    if isinstance(value, ast.Constant):
        return ["Constant", type(value.value).__name__, repr(value.value)]
    if isinstance(value, ast.AST):
        return [type(value).__name__, [[name, _form(part)] for name, part in _parts(value)]]
    return repr(value)


def _parts(node: ast.AST) -> Iterator[tuple[str, Any]]:
    # Newer versions of Python add fields; an empty one is as good as absent.
    for name, part in ast.iter_fields(node):
        if name not in _MEANINGLESS and part is not None and part != []:
            yield name, part


def find_definition(code: CodeType, lines: list[str]) -> FunctionNode | None:
    """Return the definition, in the source of its module, that was compiled to this code."""
    tree = parse("".join(lines))
    if tree is None:
        return None
    if code.co_name == "<lambda>":
        return _smallest_around(code, tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def find_class(qualname: str, lines: list[str]) -> ast.ClassDef | None:
    """Return the definition of a class by its qualified name; of several, the last."""
    tree = parse("".join(lines))
    found: ast.AST | None = tree
    for name in qualname.replace(".<locals>", "").split("."):
        named = [node for node in _inside(found) if isinstance(node, _DEFINITION) and node.name == name]
        found = named[-1] if named else None
    return found if isinstance(found, ast.ClassDef) else None


def text_of(node: ast.AST, lines: list[str]) -> str:
    """Return the source of a definition, decorators included, without its indentation."""
    first = min(part.lineno for part in [node, *getattr(node, "decorator_list", [])])
    return textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip()  # type: ignore[attr-defined]


def source_lines(thing: Any) -> list[str]:
    """Return the lines of the module in which a function, a class or a module is defined, or none."""
    try:
        return inspect.findsource(sys.modules[thing.__module__] if isinstance(thing, type) else thing)[0]
    except (OSError, TypeError, KeyError):
        return []


@lru_cache(maxsize=64)
def parse(source: str) -> ast.Module | None:
    """Parse a module's source; ``None`` if it is not Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _smallest_around(code: CodeType, tree: ast.Module) -> ast.Lambda | None:
    """Return the lambda that the instructions of a code object lie in; several may share a line."""
    spots = [(line, column) for line, _, column, end in code.co_positions() if line and column is not None and end]
    if not spots:
        return None
    first, last = min(spots), max(spots)
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda) and _start(node.body) <= first and last <= _end(node.body)
    ]
    return min(around, key=lambda node: (_end(node)[0] - node.lineno, _end(node)[1] - node.col_offset), default=None)


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _inside(node: ast.AST | None) -> Iterator[ast.AST]:
    """All statements of a definition that are not inside another definition."""
    for child in ast.iter_child_nodes(node) if node else ():
        yield child
        if not isinstance(child, _DEFINITION):
            yield from _inside(child)
