"""What labeling functions use of the world beside their row: files, the environment, the clock, chance, memory.

None of it is part of a fingerprint, so votes could change, or differ from run to run, and nobody would know. The source
of all that a function reaches is searched for names that stand for such things. That cannot find everything: a library
may open files of its own.
"""

from __future__ import annotations

import ast
import builtins
import re
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Final

from beambell.labeling.collection import shown, some_places
from beambell.labeling.core import LabelingFunction
from beambell.labeling.reached import Definition, definitions

_FILES = (
    r"(builtins|io|_io|codecs|os|gzip|bz2|lzma|tarfile|zipfile|dbm|shelve|fsspec|h5py)\.(open|open_code|File|ZipFile)",
    r"os\.(listdir|scandir|walk|stat)|(posixpath|ntpath|os\.path)\.get\w+|glob\.i?glob",
    r"(pathlib|pathlib\._local)\.\w+\.(read_\w+|open|iterdir|r?glob|stat)",
    r"numpy\.(load\w*|genfromtxt|fromfile|memmap)|pandas\.read_\w+|polars\.(read|scan)_\w+",
    r"pyarrow\.(memory_map|input_stream)|pyarrow\.(csv|json|feather|orc|parquet)\.(read_\w+|open_\w+|ParquetFile)",
    r"importlib\.resources\..+|pkgutil\.get_data|linecache\.getlines?|sqlite3\.connect|joblib\.load|torch\.load",
)
_ENVIRONMENT = (r"os\.(environ|environb|getenv|getenvb|getcwd)(\..+)?|(platform|socket)\.(node|gethostname)|sys\.argv",)
_NETWORK = (
    r"(requests|httpx|aiohttp|urllib\.request|urllib3|http\.client|socket|ftplib|smtplib|boto3|s3fs)\.(?!gethostname).+",
    r"subprocess\..+|os\.(system|popen|exec\w+|spawn\w+)",
)
_CLOCK = (
    r"time\.(time|time_ns|localtime|gmtime|ctime|strftime|monotonic|perf_counter)(_ns)?",
    r"datetime\.(datetime\.(now|utcnow|today)|date\.today)|pandas\.Timestamp\.(now|today|utcnow)",
)
_CHANCE = (r"random\..+|numpy\.random\..+|secrets\..+|uuid\.uuid[14]|os\.urandom",)
_READERS = frozenset({"read_text", "read_bytes"})
"""Methods that hardly anything but a path has."""
_CHANGES = frozenset({
    "add", "append", "appendleft", "extend", "extendleft", "insert", "update", "setdefault", "discard", "remove", "pop",
    "popleft", "popitem", "clear", "subtract",
})  # fmt: skip
_MUTABLE = (list, set, dict, deque, bytearray)
_DISPLAYS = (ast.List, ast.Set, ast.Dict)
_BEFORE = frozenset({"decorator_list", "returns", "annotation", "defaults", "kw_defaults", "bases", "keywords"})
"""Parts of a definition that are evaluated when it is made, or never."""
_CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__", "__setstate__"})


class Use(Enum):
    """What of the world is used, and what follows from it."""

    FILE = ("reads a file", "a change of the file is not noticed; hand it over: resources={...: Resource(file)}")
    ENVIRONMENT = ("reads the environment", "a change is not noticed; read it once, into a constant of the module")
    NETWORK = ("asks another program or machine", "another answer is not noticed; ask before, and hand over a Resource")
    CLOCK = ("reads the clock", "votes differ from run to run; a row's own time is row.ts")
    CHANCE = ("uses chance", "votes differ from run to run; take a hash of the row instead")
    MEMORY = ("remembers something from row to row", "in which parts, and in which order, rows come is not fixed")

    def __init__(self, verb: str, so: str) -> None:
        self.verb = verb
        self.so = so


_NAMED: Final = {
    use: re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    for use, patterns in {
        Use.FILE: _FILES,
        Use.ENVIRONMENT: _ENVIRONMENT,
        Use.NETWORK: _NETWORK,
        Use.CLOCK: _CLOCK,
        Use.CHANCE: _CHANCE,
    }.items()
}


@dataclass(frozen=True)
class _Spot:
    """Something in the source that uses the world."""

    use: Use
    code: str
    file: str
    line: int


def find_hidden_inputs(lfs: Iterable[LabelingFunction], root: Path | None) -> list[str]:
    """Say what labeling functions use beside their row that no fingerprint knows, where, and what to do instead.

    Parameters
    ----------
    root
        The project's folder.

    Returns
    -------
    list of str
        Sentences, one for each line of source.
    """
    who: dict[_Spot, list[str]] = {}
    for lf in lfs:
        for spot in dict.fromkeys(spot for one in definitions(lf) for spot in _spots(one)):
            who.setdefault(spot, []).append(lf.name)
    return [
        f"`{spot.code}` at {shown(Path(spot.file), root)}:{spot.line} {spot.use.verb} "
        f"while {some_places(names)} {'votes' if len(names) == 1 else 'vote'}: {spot.use.so}"
        for spot, names in who.items()
    ]


def _spots(definition: Definition) -> Iterator[_Spot]:
    nodes = list(_running(definition))
    own = _own_names(nodes)
    kept = _kept_arguments(nodes)
    own -= kept.keys()
    scope = {**definition.scope, **_imports(nodes)}
    around = {**definition.scope, **kept}
    found: dict[tuple[Use, int], ast.AST] = {}
    for node in nodes:
        use = _use(node, scope, own)
        if use is None and _memory(node, around, own, definition.is_built):
            use = Use.MEMORY
        if use is not None:
            found.setdefault((use, node.lineno), node)  # type: ignore[attr-defined]
    for (use, line), node in found.items():
        yield _Spot(use, _short(node), definition.file, line)


def _running(definition: Definition) -> Iterator[ast.AST]:
    """Yield what runs in a vote: of a class whose objects are there already, not its constructor; no decorators."""
    todo: list[ast.AST] = [definition.node]
    while todo:
        node = todo.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in _BEFORE and not (name == "keywords" and isinstance(node, ast.Call)):
                continue
            for part in value if isinstance(value, list) else [value]:
                constructs = isinstance(part, ast.FunctionDef) and part.name in _CONSTRUCTORS
                if isinstance(part, ast.AST) and not (constructs and definition.is_built):
                    todo.append(part)


def _own_names(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names that stand for something of the definition's own: arguments and what it assigns."""
    given = {node.arg for node in nodes if isinstance(node, ast.arg)}
    given |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return given - {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}


def _imports(nodes: Iterable[ast.AST]) -> dict[str, Any]:
    """Return what a definition imports inside itself: full names, for the modules may be slow to import."""
    found: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = _Named(name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = _Named(f"{node.module}.{alias.name}")
    return found


class _Named(str):
    """The full name of something that is not imported yet."""

    __slots__ = ()


def _use(node: ast.AST, scope: Mapping[str, Any], own: set[str]) -> Use | None:
    """Tell what a name, or a chain of attributes, uses."""
    if isinstance(node, ast.Name):
        return None if node.id in own else _use_of(_full_name(node.id, (), scope))
    if not isinstance(node, ast.Attribute):
        return None
    chain: list[str] = []
    here: ast.expr = node
    while isinstance(here, ast.Attribute):
        chain.insert(0, here.attr)
        here = here.value
    if isinstance(here, ast.Name) and here.id not in own:
        if use := _use_of(_full_name(here.id, tuple(chain), scope)):
            return use
        if isinstance(scope.get(here.id), PurePath) and chain[-1] == "open":
            return Use.FILE
    return Use.FILE if node.attr in _READERS else None


def _use_of(name: str | None) -> Use | None:
    if name is None:
        return None
    return next((use for use, pattern in _NAMED.items() if pattern.fullmatch(name)), None)


def _full_name(name: str, attributes: tuple[str, ...], scope: Mapping[str, Any]) -> str | None:
    """Return the full name of what a chain of attributes stands for, such as ``os.environ.get``."""
    missing = object()
    thing = scope.get(name, vars(builtins).get(name, missing))
    if thing is missing:
        return None
    if isinstance(thing, _Named):
        return ".".join([thing, *attributes])
    path = list(attributes)
    while path and isinstance(thing, types.ModuleType):
        part = getattr(thing, path[0], missing)
        if part is missing or not isinstance(part, types.ModuleType):
            return ".".join([thing.__name__, *path])
        thing, path = part, path[1:]
    return ".".join([_name_of(thing), *path])


def _name_of(thing: Any) -> str:
    if isinstance(thing, types.ModuleType):
        return thing.__name__
    owner = getattr(thing, "__self__", None)  # the functions of `random` are methods of an object that nobody sees
    if owner is not None and not isinstance(owner, types.ModuleType | type):
        thing = type(owner)
    elif not callable(thing) or not hasattr(thing, "__qualname__"):
        thing = type(thing)
    module = getattr(thing, "__module__", "") or ""
    name = f"{module}.{getattr(thing, '__qualname__', '')}"
    return {"os._Environ": "os.environ", "io.open": "builtins.open", "_io.open": "builtins.open"}.get(name, name)


def _memory(node: ast.AST, scope: Mapping[str, Any], own: set[str], built: bool) -> bool:
    """Whether a statement or call changes something that outlives the vote."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in _CHANGES:
            changed = isinstance(_object(owner, scope, own), _MUTABLE)
        case ast.Call(func=ast.Name(id="next"), args=[source, *_]):
            changed = hasattr(_object(source, scope, own), "__next__")
        case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store() | ast.Del()):
            changed = built
        case (
            ast.Subscript(value=owner, ctx=ast.Store() | ast.Del())
            | ast.Attribute(value=owner, ctx=ast.Store() | ast.Del())
        ):
            changed = _object(owner, scope, own) is not _NOTHING
        case ast.AugAssign(target=ast.Name(id=name)):
            changed = name not in own and name in scope
        case _:
            changed = False
    return changed


_NOTHING = object()


def _object(expression: ast.expr, scope: Mapping[str, Any], own: set[str]) -> Any:
    """Return what a name, or a chain of attributes, stands for around a definition."""
    if isinstance(expression, ast.Name):
        return scope.get(expression.id, _NOTHING) if expression.id not in own else _NOTHING
    if isinstance(expression, ast.Attribute):
        owner = _object(expression.value, scope, own)
        return _NOTHING if owner is _NOTHING else getattr(owner, expression.attr, _NOTHING)
    return _NOTHING


def _kept_arguments(nodes: Iterable[ast.AST]) -> dict[str, Any]:
    """Return arguments whose default is one list, set or dict for all calls."""
    kept: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            arguments = node.args
            given = [*arguments.posonlyargs, *arguments.args]
            pairs: list[tuple[ast.arg, ast.expr | None]] = []
            pairs += zip(reversed(given), reversed(arguments.defaults), strict=False)
            pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            kept |= {argument.arg: [] for argument, default in pairs if isinstance(default, _DISPLAYS)}
    return kept


def _short(node: ast.AST, longest: int = 60) -> str:
    text = ast.unparse(node).partition("\n")[0]
    return text if len(text) <= longest else f"{text[:longest]}..."
