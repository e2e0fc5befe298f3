"""A labeling function to start from, appended to the user's own module."""

from __future__ import annotations

import ast
import keyword as python
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from beambell.config import Params
from beambell.errors import UsageError
from beambell.labeling import Catalogue
from beambell.labeling.catalogue import is_installed
from beambell.project import Project
from beambell.records.seen import TEXT

_IMPORTS = {"python": "labeling_function", "batch": "batch_labeling_function"}
_PARAMETERS = {
    "keyword": 'any_of=["a word", "or a phrase"],',
    "regex": 'pattern=r"a pattern",',
    "count": 'of="!",\n    min=100,',
    "length": "max=0,",
    "numeric": "min=1_000_000_000,",
    "lookup": 'values=["a value"],',
    "lexicon": 'weights={"a word": 1.0, "another": 0.5},\n    threshold=1.0,',
}
_DECLARATIVE = """

{name} = {kind}(
    "{name}",
    {parameters}
    {column}label={label},
    description="Say why.",
)
"""
_PYTHON = '''

@labeling_function(fields=("{field}",), {streams}label={label})
def {name}(row):
    """Say why."""
    return False  # a condition on row.{field}: where it is true, the vote is the label
'''
_BATCH = '''

@batch_labeling_function(fields=("{field}",), {streams}label={label})
def {name}(table):
    """Say why."""
    return [False] * table.num_rows  # a truth value per row: where it is true, the vote is the label
'''
_MODULE = '"""Labeling functions."""\n'
KINDS = (*_PARAMETERS, *_IMPORTS)


@dataclass(frozen=True)
class NewLF:
    """What was written.

    Attributes
    ----------
    place
        ``file:line``, relative to the project.
    code
        Text that was appended.
    made
        Files that were not there before, relative to the project.
    """

    name: str
    kind: str
    place: str
    code: str
    made: tuple[str, ...] = ()


def new_lf(project: Project, name: str, kind: str, module: str | None = None) -> NewLF:
    """Append a template to one of the project's modules, which is made if it is not there yet.

    Parameters
    ----------
    name
        Name of the labeling function and of its variable; no other may have it.
    kind
        One of `KINDS`.
    module
        One of ``lfs.modules``; the first by default.

    Raises
    ------
    UsageError
        If there is one already, or the name, kind or module is impossible. Nothing is written then.
    """
    _check(name, kind)
    path = _source_file(project, module)
    missing = _missing(project, path)
    with _undone_on_error((path, *missing)):
        for file in missing:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_MODULE, encoding="utf-8")
        _check_free(project, name)
        code = _append(project, name, kind, path)
        place = Project(project.path).catalogue.places[name]
    made = tuple(file.relative_to(project.path).as_posix() for file in missing)
    return NewLF(name, kind, place, code.strip("\n") + "\n", made)


def _append(project: Project, name: str, kind: str, path: Path) -> str:
    before = path.read_text(encoding="utf-8")
    if name in _names(ast.parse(before)):
        raise UsageError(f"{path.name} uses the name {name!r} already", fix="choose another name")
    code = _code(project.params, name, kind, before)
    after = _with_import(before, _IMPORTS.get(kind, kind)).rstrip("\n") + "\n" + code
    path.write_text(after, encoding="utf-8")
    return code


@contextmanager
def _undone_on_error(files: Sequence[Path]) -> Iterator[None]:
    """Bring back what files were, and remove those that were not there, if anything goes wrong."""
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    folders = [folder for file in files for folder in file.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        for folder in sorted(set(folders), reverse=True):
            _remove_if_empty(folder)
        raise


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _check(name: str, kind: str) -> None:
    if kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}", where="--kind", fix=f"there are: {', '.join(KINDS)}")
    if not (name.isidentifier() and name.isascii()) or name.startswith("_") or python.iskeyword(name):
        raise UsageError(f"{name!r} cannot be a name", fix="use letters, digits and underscores, a letter first")


def _check_free(project: Project, name: str) -> None:
    params = project.params
    known = Catalogue.load(
        params.lfs.modules, files=params.lfs.files, classes=params.classes, root=project.path, may_be_empty=True
    )
    if name in known:
        place = known.places.get(name, "the project")
        raise UsageError(f"there is a labeling function {name!r} already", where=place, fix="choose another name")


def _source_file(project: Project, module: str | None) -> Path:
    """Return the file of a module, which may not be there yet."""
    modules = project.params.lfs.modules
    if not modules or (module is not None and module not in modules):
        raise UsageError(
            f"{module!r} is not one of lfs.modules" if module else "lfs.modules names no Python module",
            where="--module",
            fix=f"use {' or '.join(modules)}" if modules else "add one to params.yaml",
        )
    name = module or modules[0]
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UsageError(
            f"{name!r} cannot be a module", where="lfs.modules", fix="write its dotted name, such as my_lfs.mails"
        )
    base, top = project.path.joinpath(*parts), project.path / parts[0]
    if not top.exists() and not top.with_suffix(".py").exists() and is_installed(name):
        raise UsageError(
            "this module belongs to an installed package, which is not changed from here",
            where=name,
            fix="name a module of the project with --module; add one to lfs.modules if there is none",
        )
    package = base / "__init__.py"
    file = base.with_suffix(".py")
    return package if base.is_dir() and not file.is_file() else file


def _missing(project: Project, path: Path) -> tuple[Path, ...]:
    """Return the files to make if a module is not there: itself, and what makes packages of its folders."""
    if path.is_file():
        return ()
    folders = [folder for folder in path.parents if folder.is_relative_to(project.path) and folder != project.path]
    inits = [folder / "__init__.py" for folder in reversed(folders)]
    return tuple(dict.fromkeys([*(init for init in inits if not init.exists()), path]))


def _code(params: Params, name: str, kind: str, text: str) -> str:
    field, streams = _column(params, kind)
    template = {"python": _PYTHON, "batch": _BATCH}.get(kind, _DECLARATIVE)
    parts = [f'field="{field}"'] if field != "text" or kind in ("numeric", "lookup") else []
    restriction = [f"streams={streams!r}"] if streams else []
    return template.format(
        name=name,
        kind=kind,
        parameters=_PARAMETERS.get(kind, ""),
        field=field,
        column="".join(f"{part},\n    " for part in (*parts, *restriction)),
        streams="".join(f"{part}, " for part in restriction),
        label=_label(params, text),
    )


def _column(params: Params, kind: str) -> tuple[str, tuple[str, ...] | None]:
    """Return a column that fits the kind, and the streams that have it (``None`` for all)."""
    having: dict[str, list[str]] = {}
    text = TEXT if len({its.text for its in params.streams.values()}) > 1 else None
    for stream, its in params.streams.items():
        wanted = ("int", "float") if kind == "numeric" else ("string",) if kind == "lookup" else ()
        for column in [
            *([] if kind == "numeric" else [text or its.text]),
            *(c for c, t in its.fields.items() if t in wanted),
        ]:
            having.setdefault(column, []).append(stream)
    if not having:
        raise UsageError("no stream has a numeric column", where="--kind", fix="list it under its `fields`")
    # What most streams have; of a lookup, rather a field than the text.
    texts = {text or its.text for its in params.streams.values()}
    column = max(having, key=lambda c: (kind == "lookup" and c not in texts, len(having[c])))
    return column, None if len(having[column]) == len(params.streams) else tuple(having[column])


def _label(params: Params, text: str) -> str:
    """Return the module's own constant for the last class, or its number."""
    number = params.cardinality - 1
    constant = params.classes[number].upper().replace("-", "_")
    return constant if constant in _names(ast.parse(text)) else str(number)


def _names(tree: ast.Module) -> set[str]:
    """Return the names that a module gives to things at its top level."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        else:
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names


def _with_import(text: str, name: str) -> str:
    """Import a name after the last import at the top level, unless it is there."""
    tree = ast.parse(text)
    if name in _names(tree):
        return text
    lines = text.splitlines(keepends=True)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    documented = [tree.body[0]] if tree.body and ast.get_docstring(tree) is not None else []
    after = max((node.end_lineno or 0 for node in (*documented, *imports)), default=0)
    if after and not lines[after - 1].endswith("\n"):
        lines[after - 1] += "\n"
    gap = "" if imports or not after else "\n"
    return "".join([*lines[:after], gap, f"from beambell.labeling import {name}\n", *lines[after:]])
