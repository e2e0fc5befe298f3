"""What the text of a module tells about the names at its top level, that the imported module does not."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


class TopLevel:
    """The top level of a module's source; of a module without one, nothing is known.

    Parameters
    ----------
    file
        The source.

    Attributes
    ----------
    lines
        Number of the line that defines each name (the last one that does).
    unused
        Names that are defined here, not imported, and that nothing in the module uses.
    """

    def __init__(self, file: Path) -> None:
        self._body = _statements(file)
        statements = sorted(_same_scope(self._body), key=lambda node: node.lineno)
        self.lines = {name: node.lineno for node in statements for name in _names_given(node)}
        imports = (node for node in statements if isinstance(node, ast.ImportFrom))
        self.unused = set(self.lines).difference(*map(_names_given, imports), *map(_names_used, self._body))

    def makes(self, function: str, makes_lf: Callable[[ast.expr], bool]) -> bool:
        """Whether the body of a function at the top level makes labeling functions."""
        bodies = [node for node in self._body if isinstance(node, ast.FunctionDef) and node.name == function]
        return any(makes_lf(maker) for body in bodies for maker in _made_in(body))

    def lost(self, makes_lf: Callable[[ast.expr], bool]) -> Iterator[tuple[str, int, int]]:
        """Find labeling functions that another one of the same name replaces before anything uses them.

        Only what is sure to be done, one after the other, counts: neither branches nor loops. A name that is used in
        between, if only in what replaces it (``x = x.named("y", label=1)``), was replaced on purpose.

        Parameters
        ----------
        makes_lf
            Whether what is called, or decorates, makes a labeling function.

        Yields
        ------
        tuple of (str, int, int)
            A name, the line of the definition that is lost, and the line of the one that replaces it.
        """
        unused: dict[str, int] = {}
        for node in self._body:
            for name in _names_used(node):
                unused.pop(name, None)
            maker = _maker(node)
            if maker is not None and makes_lf(maker):
                for name in sorted(_names_given(node)):
                    if name in unused:
                        yield name, unused[name], node.lineno
                    unused[name] = node.lineno


def _made_in(node: ast.AST) -> Iterator[ast.expr]:
    """Find what is called, or decorates, anywhere within a node."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            yield part.func
        elif isinstance(part, ast.FunctionDef) and part is not node:
            yield from part.decorator_list


def _statements(file: Path) -> list[ast.stmt]:
    try:
        return ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _same_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Find the statements among nodes and within them, but for the bodies of functions and classes."""
    for node in nodes:
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.expr | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _same_scope(ast.iter_child_nodes(node))


def _names_given(node: ast.stmt) -> set[str]:
    match node:
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.FunctionDef(name=name):
            return {name}
        case ast.ImportFrom(names=names):
            return {alias.asname or alias.name for alias in names}
    return set()


def _names_used(node: ast.stmt) -> set[str]:
    used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Store)}
    return used | {node.target.id} if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) else used


def _maker(node: ast.stmt) -> ast.expr | None:
    """Return what makes the value that a statement gives a name: what it calls, or the outermost decorator."""
    match node:
        case ast.Assign(value=ast.Call(func=maker)) | ast.AnnAssign(value=ast.Call(func=maker)):
            return maker
        case ast.FunctionDef(decorator_list=[ast.Call(func=maker), *_]):
            return maker
        case ast.FunctionDef(decorator_list=[maker, *_]):
            return maker
    return None
