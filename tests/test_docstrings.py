"""Docstrings say what a reader needs: each error that a function raises itself, and what each parameter is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_site import sections

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for room in ("beambell", "beam_jobs") for path in (ROOT / room).rglob("*.py"))
WITHOUT_A_NOUN = re.compile(
    r"(About|Again|Also|As|Ascending|At|Beside|Between|Builds|But|By|For|From|Gives|He|His|How|If|In|Instead|It|"
    r"Its|Keep|Let|Made|Not|Nothing|Of|On|Only|Open|Or|Per|Read|Relative|See|She|So|Something|Sorted|Such|Take|That|Their|"
    r"Them|There|These|They|This|Those|To|Told|Under|Until|What|When|Where|Which|Who|Whom|Whose|Why|With|Within|Without|"
    r"The same)\b"
)
"""Words that a description does not begin with: what it describes is named later, or never."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _sections(node: Function | ast.ClassDef) -> dict[str, dict[str, str]]:
    return sections(ast.get_docstring(node) or "")


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


def _makers(node: Function | ast.ClassDef) -> list[Function]:
    """Functions that a docstring speaks for: a class's tells what making one raises; that of a command is its help."""
    if isinstance(node, ast.ClassDef):
        return [one for one in node.body if isinstance(one, Function) and one.name in ("__init__", "__post_init__")]
    return [] if any(".command(" in ast.unparse(decorator) for decorator in node.decorator_list) else [node]


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
            told = {one.split(".")[-1] for entry in _sections(node).get("Raises", {}) for one in entry.split(", ")}
            raised = {error for maker in _makers(node) for error in _raised(maker, made_by)}
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


def _is_a_fragment(description: str) -> bool:
    return len(description.split()) < 2 or WITHOUT_A_NOUN.match(description) is not None


def test_a_description_begins_with_what_it_describes() -> None:
    fragments = []
    for path in MODULES:
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function | ast.ClassDef):
                told = _sections(node)
                entries = [*told.get("Parameters", {}).items(), *told.get("Attributes", {}).items()]
                entries += [(kind, text) for kind, text in told.get("Returns", {}).items() if text]
                fragments += [
                    f"{where}:{node.lineno}: {name}: {text}" for name, text in entries if _is_a_fragment(text)
                ]
    assert not fragments, "\n".join(fragments)


@pytest.mark.parametrize("text", ["Whose.", "These, too.", "Of the file.", "What to read.", "Rows."])
def test_a_fragment_is_found(text: str) -> None:
    assert _is_a_fragment(text)


@pytest.mark.parametrize("text", ["Number of rows.", "float64 [n], in nats.", "``None`` for all."])
def test_a_description_is_no_fragment(text: str) -> None:
    assert not _is_a_fragment(text)
