"""Texts of ``params.yaml`` that name something: not empty, and where they are URLs or globs, ones that can be read."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

_SCHEME = re.compile(r"(?:^|::)(?P<name>[A-Za-z][A-Za-z0-9+._-]+):(?P<slashes>/{1,2})")


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("it must not be empty")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValueError("it must not hold control characters")
    return text


def _reachable(text: str) -> str:
    """Check the schemes of a URL, as far as that takes no network."""
    if ":/" not in text:
        return text
    from fsspec.registry import known_implementations, registry

    known = {*known_implementations, *registry}
    for scheme in _SCHEME.finditer(text):
        name = scheme["name"]
        if len(scheme["slashes"]) == 1:
            if name in known:
                raise ValueError(f"a URL has two slashes: {name}://")
            continue
        if name not in known:
            near = get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {near[0]}://?" if near else "such as s3://, gs://, abfs://, https://"
            raise ValueError(f"there is no kind of place {name}:// ({hint})")
        _check_installed(name)
    return text


def _is_no_file_url(text: str) -> str:
    if text.lower().startswith(("file:", "local:")):
        raise ValueError("a folder of this machine is written as a path, without file://")
    return text


def _check_installed(scheme: str) -> None:
    from importlib.util import find_spec

    from fsspec.registry import known_implementations

    about = known_implementations.get(scheme)
    if about and find_spec(about["class"].partition(".")[0]) is None:
        raise ValueError(f"{scheme}:// needs a package that is not installed ({about.get('err', about['class'])})")


def _valid_pattern(pattern: str) -> str:
    for placeholder in re.findall(r"\{[^{}/]*\}", pattern):
        if placeholder != "{dt}":
            raise ValueError(f"unknown placeholder {placeholder}; the one there is is {{dt}}, the date of a delivery")
    if any("**" in piece and part != "**" for part in pattern.split("/") for piece in part.split("{dt}")):
        raise ValueError("** stands for folders, and for nothing beside it; write * for the rest of a name")
    return pattern


def _glob(text: str) -> str:
    """Check that a pattern of local files is one."""
    if "://" in text:
        return text
    path = Path(text)
    relative = path.relative_to(path.anchor)
    if not relative.parts:
        raise ValueError("it names a folder, and no files")
    try:
        next(iter(Path().glob(str(relative / "x"))), None)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"it is no pattern of files ({error})") from None
    except OSError as error:  # such as a name that is longer than any file's can be
        raise ValueError(f"no file can have such a name ({error.strerror})") from None
    return text


Text = Annotated[str, AfterValidator(_says_something)]
"""A text that says something."""

Place = Annotated[Text, AfterValidator(_reachable)]
Root = Annotated[Place, AfterValidator(_is_no_file_url)]
"""A folder, or a URL of a kind that fsspec knows, and for which what it needs is installed."""

Pattern = Annotated[Place, AfterValidator(_valid_pattern), AfterValidator(_glob)]
"""Files: a path, or a URL, with ``*`` and the like; ``{dt}`` is the date of a delivery."""


def _fires(text: str) -> str:
    try:
        from croniter import croniter
    except ImportError:  # it comes with Airflow, which alone reads these
        return text
    if len(text.split()) not in (1, 5):  # one: @daily
        raise ValueError("minute, hour, day, month and weekday are five")
    try:
        croniter(text).get_next()
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(f"it is no cron expression that fires ({error})") from None
    return text


def _labels_or_cron(text: str) -> str:
    return text if text == LABELS else _fires(text)


LABELS = "labels"
"""Whenever labels were published."""

LabelsOrCron = Annotated[Text, AfterValidator(_labels_or_cron)]
Cron = Annotated[Text, AfterValidator(_fires)]
"""A time that returns, as cron writes it, in UTC."""
