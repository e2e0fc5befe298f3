"""Find the labeling functions in a module, wherever it keeps them, and say which ones would go unseen."""

from __future__ import annotations

import ast
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from beambell.errors import CatalogueError
from beambell.labeling.batch import batch_labeling_function
from beambell.labeling.conditions import Condition
from beambell.labeling.core import LabelingFunction
from beambell.labeling.made import Made
from beambell.labeling.python import is_labeling_function, labeling_function
from beambell.labeling.stateful import stateful_labeling_function
from beambell.labeling.top_level import TopLevel
from beambell.labeling.yaml_files import KINDS

_MAKERS = (*KINDS.values(), labeling_function, batch_labeling_function, stateful_labeling_function)
_SEQUENCES = (list, tuple, set, frozenset, deque)
_MAPPINGS = (dict, MappingProxyType)
_SHOWN = 5


@dataclass(frozen=True)
class Collected:
    """A labeling function, and its place: ``file:line``."""

    thing: Any
    place: str


def shown(file: Path, root: Path | None) -> str:
    """Name a file relative to the project, where it is in there."""
    inside = root is not None and file.is_relative_to(root.absolute())
    return file.relative_to(root.absolute()).as_posix() if root is not None and inside else file.name


def collect(module: ModuleType, root: Path | None) -> Iterator[Collected]:
    """Find the labeling functions that a module keeps at its top level.

    Counted are those that a variable holds, by itself, in a container (a list, a tuple, a set, the values of a dict, at
    any depth) or as an attribute of a class; not those of variables whose names start with an underscore.

    Raises
    ------
    CatalogueError
        If one is replaced by another before it is used, or is a condition without a name that nothing uses.
    """
    file = _file(module)
    place_of_file, top_level = shown(file, root), TopLevel(file)
    for name, first, second in top_level.lost(partial(_makes_lf, module)):
        if not name.startswith("_"):
            raise CatalogueError(
                f"`{name}` is defined twice, at {place_of_file}:{first} and {place_of_file}:{second}: "
                "only the second would vote",
                where=f"{place_of_file}:{second}",
                fix="rename one of them, or take one out",
            )
    for variable, value in vars(module).items():
        if variable.startswith("_"):
            continue
        line = top_level.lines.get(variable)
        place = f"{place_of_file}:{line}" if line else place_of_file
        for thing in _held(value, module):
            if is_labeling_function(thing):
                yield Collected(thing, place)
            elif isinstance(thing, Condition) and variable in top_level.unused:
                raise _without_a_name(variable, value, place)


def unseen(
    modules: Sequence[ModuleType], made: Iterable[Made], found: Iterable[Collected], root: Path | None
) -> list[str]:
    """Say which labeling functions of some modules will never vote, because nothing that is looked at holds them.

    Parameters
    ----------
    modules
        Modules that were looked at.
    made
        Labeling functions that were made while the modules were imported.
    found
        Labeling functions that were found in them.

    Returns
    -------
    list of str
        Sentences for people.
    """
    known = {id(part) for one in found for part in _with_parts(one.thing)}
    hidden = [value for module in modules for name, value in vars(module).items() if name.startswith("_")]
    known |= {id(part) for value in hidden for thing in _held(value) for part in _with_parts(thing)}
    names = {module.__name__ for module in modules}
    places: dict[str, list[str]] = {}
    for one in made:
        if id(one.thing) not in known and one.module in names:
            places.setdefault(one.thing.name, []).append(f"{shown(Path(one.file), root)}:{one.line}")
    active = {getattr(one.thing, "name", None) for one in found}
    remarks = [
        f"labeling function {name} is made at {some_places(where)} and will not vote: no variable at the top level "
        "holds it, alone or in a list, a dict or a class; keep it in one (or, if it shall not, in one that begins "
        "with an underscore)"
        for name, where in sorted(places.items())
        if name not in active
    ]
    return remarks + [remark for module in modules for remark in _lazy(module, root)]


def _lazy(module: ModuleType, root: Path | None) -> Iterator[str]:
    """Name generators, and functions that nothing calls, that would make labeling functions."""
    file = _file(module)
    top_level = TopLevel(file)
    for variable, value in vars(module).items():
        line = top_level.lines.get(variable)
        place = f"{shown(file, root)}:{line}" if line else shown(file, root)
        if variable.startswith("_"):
            continue
        if isinstance(value, types.GeneratorType | map | filter):
            yield (
                f"`{variable}` at {place} is a {type(value).__name__}: "
                "labeling functions that it would make do not vote; write list(...) around it"
            )
        elif (
            _is_own(value, module)
            and variable in top_level.unused
            and top_level.makes(variable, partial(_makes_lf, module))
        ):
            yield (
                f"`{variable}` at {place} makes labeling functions, and nothing here calls it: "
                "they do not vote; assign what it returns to a variable"
            )


def _is_own(value: Any, module: ModuleType) -> bool:
    return isinstance(value, types.FunctionType) and value.__module__ == module.__name__


def _file(module: ModuleType) -> Path:
    return Path(getattr(module, "__file__", None) or module.__name__)  # a folder is no file


def _held(value: Any, module: ModuleType | None = None) -> Iterator[Any]:
    """Yield what a variable holds: itself, or what is in it, at any depth."""
    todo, seen = deque([value]), set()
    while todo:
        thing = todo.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if type(thing) in _SEQUENCES:
            todo.extend(thing)
        elif isinstance(thing, _MAPPINGS):
            todo.extend(thing.values())
        elif isinstance(thing, type) and module is not None and thing.__module__ == module.__name__:
            todo.extend(member for name, member in vars(thing).items() if not name.startswith("_"))
        else:
            yield thing


def _with_parts(thing: Any) -> Iterator[Any]:
    """Yield a labeling function, and those that it is made of."""
    yield thing
    if isinstance(thing, Condition):
        yield from thing.leaves
    for part in (getattr(thing, "condition", None), getattr(thing, "where", None)):
        if isinstance(part, Condition):
            yield part
            yield from part.leaves


def some_places(places: Sequence[str]) -> str:
    """Spell a list of places, or of names, for people: the first few, and how many more there are."""
    distinct = list(dict.fromkeys(places))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return ", ".join(distinct[:_SHOWN]) + more


def _without_a_name(variable: str, value: object, place: str) -> CatalogueError:
    whose = "is" if isinstance(value, Condition) else "holds"
    return CatalogueError(
        f"`{variable}` {whose} a condition without a name: it would never vote, and nothing else here uses it",
        where=place,
        fix=f'call .named("{variable}", label=...) on it, or, if it is a part of others, '
        f"start the variable with an underscore: _{variable}",
    )


def _makes_lf(module: ModuleType, maker: ast.expr) -> bool:
    """Whether an expression in a module is a constructor or decorator of labeling functions."""
    if isinstance(maker, ast.Attribute) and maker.attr == "named":
        return True
    snorkels = getattr(sys.modules.get("snorkel.labeling.lf.core"), "labeling_function", None)
    made_by = _value(module, maker)
    return made_by is not None and any(made_by is known for known in (*_MAKERS, snorkels))


def _value(module: ModuleType, name: ast.expr) -> Any:
    match name:
        case ast.Name(id=variable):
            return vars(module).get(variable)
        case ast.Attribute(value=owner, attr=attribute):
            return getattr(_value(module, owner), attribute, None)
    return None


def twins(fingerprints: Mapping[str, str], places: Mapping[str, str]) -> list[str]:
    """Name labeling functions of one meaning under several names: their vote would count as often."""
    by_fingerprint: dict[str, list[str]] = {}
    for name, fingerprint in fingerprints.items():
        by_fingerprint.setdefault(fingerprint, []).append(name)
    return [
        f"{_and(names)} are one labeling function under {len(names)} names (fingerprint {fingerprint[:12]}"
        f"{_at(names, places)}): its vote counts {len(names)} times; keep one of them, or, if a loop makes them, "
        "see that each has a value of its own (def check(row, word=word))"
        for fingerprint, names in sorted(by_fingerprint.items(), key=lambda item: item[1])
        if len(names) > 1
    ]


def _at(names: Sequence[str], places: Mapping[str, str]) -> str:
    known = [places[name] for name in names if name in places]
    return f", {some_places(known)}" if known else ""


def voteless(lfs: Iterable[LabelingFunction], classes: Sequence[str]) -> list[str]:
    """Return the classes that no labeling function votes for, as far as these declare a label: all must."""
    labels = {lf.label for lf in lfs}
    return [] if None in labels or not labels else [name for k, name in enumerate(classes) if k not in labels]


def no_votes_for(class_name: str) -> str:
    """Say that no labeling function votes for a class."""
    return (
        f"no labeling function votes for class {class_name}: no row gets that label but from people; "
        "write one, or take the class out of params.yaml"
    )


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
