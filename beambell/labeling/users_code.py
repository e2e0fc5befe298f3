"""Which code is the user's own, and what a definition in it uses of the modules around it."""

from __future__ import annotations

import ast
import dis
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_OURS = frozenset({"beambell", "beam_jobs", "snorkel"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})


class UsersCode:
    """The user's own code, as seen from one labeling function.

    Parameters
    ----------
    home
        Name of the top-level package that the labeling function is in, empty if in none: all of it is the user's own,
        wherever it is installed.
    """

    def __init__(self, home: str) -> None:
        self._home = home

    def owns(self, module: types.ModuleType) -> bool:
        """Whether a module is the user's own."""
        place = _place(getattr(module, "__file__", None), getattr(module, "__path__", None))
        return self.owns_named(module.__name__, place)

    def owns_named(self, module: str | None, file: str | None) -> bool:
        """Whether a module is the user's own: not Python's, not installed, not ours; or in the LF's package."""
        top = (module or "").partition(".")[0]
        if top == self._home:
            return True
        if top in sys.stdlib_module_names or top in _OURS:
            return False
        return file is not None and not _INSTALLED & set(Path(file).parts)

    def references(
        self, code: types.CodeType, node: ast.AST | None, scope: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any]]:
        """Find what a definition uses of the module around it, in the order of its names.

        Parameters
        ----------
        code
            Compiled code of the definition.
        node
            Syntax tree of the definition; ``None`` where its source is not to be had.
        scope
            Values of the names around the definition.

        Returns
        -------
        Iterator of (str, Any)
            Dotted names, with what each stands for.
        """
        found = {name: scope[name] for name in _global_names(code) if name in scope}
        found |= self._local_imports(node, scope)
        for name, thing in sorted(found.items()):
            yield from self._parts_used(name, thing, node)

    def _local_imports(self, node: ast.AST | None, scope: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a definition imports inside itself, by the name it gets there."""
        found: dict[str, Any] = {}
        for statement in ast.walk(node) if node is not None else ():
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    module, top = self._users_import(alias.name), alias.name.partition(".")[0]
                    found[alias.asname or top] = module if alias.asname else sys.modules.get(top, top)
            elif isinstance(statement, ast.ImportFrom):
                relative = "." * statement.level + (statement.module or "")
                package = scope.get("__package__") or ""
                name = importlib.util.resolve_name(relative, package) if statement.level else relative
                owner = self._users_import(name)
                for alias in statement.names:
                    found[alias.asname or alias.name] = _attribute(owner, alias.name)
        return found

    def _users_import(self, name: str) -> Any:
        """Import one of the user's modules; of a library, which may be slow to import, return the name."""
        top = name.partition(".")[0]
        spec = getattr(sys.modules.get(top), "__spec__", None) or importlib.util.find_spec(top)
        place = None if spec is None else _place(spec.origin, spec.submodule_search_locations)
        return _imported(name) if self.owns_named(top, place) else name

    def _parts_used(self, name: str, thing: Any, node: ast.AST | None) -> Iterator[tuple[str, Any]]:
        """Of one of the user's modules, only the members that are used; anything else as a whole."""
        if not (isinstance(thing, types.ModuleType) and self.owns(thing) and node is not None):
            yield name, thing
            return
        uses = _attribute_uses(name, node)
        for path in sorted(uses):
            part, taken = thing, []
            for attribute in path:
                if not (isinstance(part, types.ModuleType) and hasattr(part, attribute)):
                    break
                part = getattr(part, attribute)
                taken.append(attribute)
            yield ".".join([name, *taken]), part


def _global_names(code: types.CodeType) -> set[str]:
    """Return the names that code, and all code defined in it, looks up around itself."""
    names = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname in _LOADS}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def _place(file: str | None, folders: Iterable[str] | None) -> str | None:
    """Return where a module is: its file, or the first folder of a package that has none."""
    return file or next(iter(folders or ()), None)


def _attribute(owner: Any, name: str) -> Any:
    """Return what ``from owner import name`` gives; the name alone where that cannot be had."""
    if not isinstance(owner, types.ModuleType):
        return name
    return getattr(owner, name) if hasattr(owner, name) else _imported(f"{owner.__name__}.{name}")


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception:  # noqa: BLE001  # the labeling function will fail on it, row by row; here it is a name
        return name


def _attribute_uses(name: str, node: ast.AST) -> set[tuple[str, ...]]:
    """Return the attribute chains that start at a name: ``helpers.text.clean`` gives ``("text", "clean")``."""
    uses: set[tuple[str, ...]] = set()
    inner: set[int] = set()
    for part in ast.walk(node):  # parents first, so the longest chain of each use comes first
        if id(part) in inner:
            continue
        chain: list[str] = []
        here: ast.AST = part
        while isinstance(here, ast.Attribute):
            chain.append(here.attr)
            here = here.value
            inner.add(id(here))
        if isinstance(here, ast.Name) and here.id == name:
            uses.add(tuple(reversed(chain)))
    return uses
