"""Read ``params.yaml``; every complaint names the line and the key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from math import isfinite, isnan
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from beambell.config.bounds import BoundError, check_yaml
from beambell.config.environment import check_environment, not_json, overriding
from beambell.config.params import Params
from beambell.credentials import WHERE_THEY_BELONG, credentials, is_secret_option
from beambell.errors import ConfigError

FILE_NAME = "params.yaml"
_EXCERPT = 60  # characters of a value in a message


def load_params(project: Path) -> Params:
    """Read and validate ``params.yaml`` of a project.

    Parameters
    ----------
    project
        The folder that holds it.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or says something that no key allows.
    """
    path = project / FILE_NAME
    tree, lines = _parse(path)
    check_environment(Params.model_fields)
    try:
        return Params(**tree)
    except ValidationError as error:
        raise _explain(error, path, lines) from None
    except SettingsError:
        raise not_json() from None


def _parse(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    try:
        root, tree = _read(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "there is no params.yaml here",
            where=str(path),
            fix="name the project's folder with --project DIR, or start a project: beambell init FOLDER",
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not valid UTF-8: {error.reason} at byte {error.start}", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            problem if isinstance(error, BoundError) else f"not valid YAML: {problem}",
            where=where,
            fix="write it out with less nesting and fewer aliases" if isinstance(error, BoundError) else None,
        ) from None
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise ConfigError("expected a mapping of section names to values", where=str(path))
    lines: dict[tuple[str, ...], int] = {}
    _collect_lines(root, (), lines, path)
    return tree, lines


def _read(text: str) -> tuple[yaml.Node | None, Any]:
    """Parse once, with libyaml where it is there: an order of magnitude faster, but its complaints say less."""
    check_yaml(text)
    try:
        return _parsed(getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text))
    except yaml.YAMLError:
        return _parsed(yaml.SafeLoader(text))


def _parsed(loader: Any) -> tuple[yaml.Node | None, Any]:
    root = loader.get_single_node()
    try:
        return root, None if root is None else loader.construct_document(root)
    except yaml.YAMLError:
        raise
    except Exception:  # a number or a date that is none: PyYAML lets whatever Python says of it through
        for node in _scalars(root):
            _check_scalar(loader, node)
        raise


def _scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.CollectionNode):
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                yield from _scalars(part)


def _check_scalar(loader: Any, node: yaml.ScalarNode) -> None:
    try:
        loader.construct_object(node)
    except Exception as error:  # noqa: BLE001 - as above
        kind = node.tag.rpartition(":")[2]
        excerpt = node.value if len(node.value) <= _EXCERPT else node.value[:_EXCERPT] + "..."
        raise yaml.MarkedYAMLError(problem=f"{excerpt!r} is no {kind}: {error}", problem_mark=node.start_mark) from None


def _collect_lines(
    node: yaml.Node | None, prefix: tuple[str, ...], lines: dict[tuple[str, ...], int], path: Path
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*prefix, str(key.value))
            if place in lines:  # PyYAML keeps the last of two equal keys without a word
                raise ConfigError(
                    f"{'.'.join(place)} is given twice (first on line {lines[place]})",
                    where=f"{path}:{key.start_mark.line + 1}",
                    fix="keep one of them",
                )
            lines[place] = key.start_mark.line + 1
            _refuse_credentials(key, place, path)
            _collect_lines(value, place, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*prefix, str(index))] = value.start_mark.line + 1
            _collect_lines(value, (*prefix, str(index)), lines, path)
            if index and is_secret_option(str(node.value[index - 1].value)):
                raise _credentials_error("an option's secret", prefix, value, path)
    else:
        _refuse_credentials(node, prefix, path)


def _refuse_credentials(node: yaml.Node | None, place: tuple[str, ...], path: Path) -> None:
    if isinstance(node, yaml.ScalarNode) and (found := credentials(node.value)):
        raise _credentials_error(found, place, node, path)


def _credentials_error(found: str, place: tuple[str, ...], node: yaml.Node, path: Path) -> ConfigError:
    key = ".".join(part for part in place if not credentials(part))
    return ConfigError(f"{key} holds {found}", where=f"{path}:{node.start_mark.line + 1}", fix=WHERE_THEY_BELONG)


def _explain(error: ValidationError, path: Path, lines: dict[tuple[str, ...], int]) -> ConfigError:
    problems = []
    fixes = []
    first_line = None
    details = error.errors()
    # A list that is short of what was refused is no second mistake.
    parents = {detail["loc"][:n] for detail in details for n in range(len(detail["loc"]))}
    for detail in (detail for detail in details if detail["loc"] not in parents):
        place = tuple(str(part) for part in detail["loc"] if part != "[key]")
        variable = overriding(place)
        line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)
        line = None if variable else line
        first_line = first_line or line
        key = ".".join(place) or "params"
        at = f" (line {line})" if line else f" (the environment variable {variable})" if variable else ""
        if detail["type"] == "extra_forbidden":
            problems.append(f"unknown key {key}{at}")
            fixes.append(_instead_of(place))
        elif detail["type"] == "missing":
            problems.append(f"{key} is missing")
            fixes.append(f"add {key}")
        else:
            value = "" if isinstance(detail["input"], dict) else f", not {_spelled(detail['input'])}"
            message = _MESSAGES.get(detail["type"], detail["msg"].removeprefix("Value error, "))
            problems.append(f"{key}{at}: {message}{value}")
            if detail["type"] == "tuple_type" and isinstance(detail["input"], str):
                fixes.append(f"write {place[-1]}: [{json.dumps(detail['input'], ensure_ascii=False)}]")
    where = f"{path}:{first_line}" if first_line else str(path)
    return ConfigError("; ".join(problems), where=where, fix="; ".join(fixes) or None)


def _spelled(value: object) -> str:
    """Spell a value as YAML does, where Python does not."""
    if isinstance(value, float) and not isfinite(value):
        return ".nan" if isnan(value) else ".inf" if value > 0 else "-.inf"
    return repr(value)


_MESSAGES = {
    "tuple_type": "should be a list",
    "dict_type": "should be a section, with keys below it",
    "model_type": "should be a section, with keys below it",
}
"""What pydantic calls by names of Python and of our classes."""


def _instead_of(place: tuple[str, ...]) -> str:
    """Say what may stand instead of an unknown key: a similar one, the same elsewhere, or any that is known there."""
    key, known = place[-1], _known_keys(place[:-1])
    if near := get_close_matches(key, known, n=1):
        return f"did you mean {near[0]!r}?"
    sections = [section for section in Params.model_fields if key in _known_keys((section,)) and section != place[0]]
    elsewhere = ["a stream" if section == "streams" else section for section in sections]
    moved = f"write it under {' or '.join(elsewhere)}, or " if elsewhere else ""
    return f"{moved}take it out; known here are {', '.join(known)}"


def _known_keys(place: tuple[str, ...]) -> list[str]:
    """Names allowed at a place, for the did-you-mean."""
    model: type[BaseModel] = Params
    for part in place:
        field = model.model_fields.get(part)
        if field is None:  # a free key, such as a stream's name
            continue
        arguments = get_args(field.annotation)
        inner = arguments[-1] if arguments else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return sorted(model.model_fields)
