"""Docstrings say what a reader needs: each error that a function raises itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for room in ("beambell", "beam_jobs") for path in (ROOT / room).rglob("*.py"))
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n(.*?)(?=^\w[\w ]*\n-{3,}$|\Z)", re.DOTALL | re.MULTILINE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _sections(node: Function | ast.ClassDef) -> dict[str, dict[str, str]]:
    """Sections of a numpydoc docstring: its entries, each with its description on one line."""
    return {
        title: {
            name: " ".join(description.split())
            for name, description in re.findall(r"^(\S.*)\n((?:(?: .*)?\n)*)", body + "\n", re.MULTILINE)
        }
        for title, body in SECTION.findall(ast.get_docstring(node) or "")
    }


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """All that runs when the function does: not the functions and classes within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


def _last_name(node: ast.AST | None) -> str:
    return re.split(r"[.(\[]", ast.unparse(node).split("(")[0])[-1] if node is not None else ""


def _made_by(module: ast.Module) -> dict[str, str]:
    """What each function of a module returns, by name: ``raise _refusal(...)`` raises that."""
    return {node.name: _last_name(node.returns) for node in ast.walk(module) if isinstance(node, Function)}


def _raised(function: Function, made_by: dict[str, str]) -> set[str]:
    """Names of the errors that a function raises itself; "an error" where another module makes it."""
    names = set()
    for node in _own_nodes(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call | ast.Name | ast.Attribute):
            name = _last_name(node.exc)
            if name[0].isupper() or name in made_by:
                names.add(made_by.get(name, name))
            elif isinstance(node.exc, ast.Call):
                names.add("an error")
    return names - {"NotImplementedError"}


def _is_command(function: Function) -> bool:
    """Tell functions whose docstring is what ``--help`` shows: it has no sections."""
    return any(".command(" in ast.unparse(decorator) for decorator in function.decorator_list)


def _public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef) and not child.name.startswith("_"):
            yield prefix + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from _public(child, f"{prefix}{child.name}.")


def test_an_error_that_a_function_raises_itself_is_in_its_section_raises() -> None:
    missing = []
    for path in MODULES:
        module = ast.parse(path.read_text())
        made_by = _made_by(module)
        for name, node in _public(module):
            if isinstance(node, ast.ClassDef) or _is_command(node):
                continue
            told = {one.split(".")[-1] for entry in _sections(node).get("Raises", {}) for one in entry.split(", ")}
            raised = _raised(node, made_by)
            if told:
                raised.discard("an error")
            missing += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {name} raises {error}" for error in sorted(raised - told)
            ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    ("body", "raised"),
    [
        ("raise ValueError('no')", {"ValueError"}),
        ("raise csv.Error", {"Error"}),
        ("raise _refusal('no')", {"Refusal"}),
        ("raise lf_error('no')", {"an error"}),
        ("raise", set()),
        ("raise error", set()),
        ("raise NotImplementedError", set()),
        ("def inner():\n        raise ValueError", set()),
    ],
)
def test_what_a_function_raises_itself_is_found(body: str, raised: set[str]) -> None:
    (function,) = ast.parse(f"def f():\n    {body}\n").body
    assert isinstance(function, ast.FunctionDef)
    assert _raised(function, {"_refusal": "Refusal"}) == raised
