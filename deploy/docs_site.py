"""Build the documentation: ``make docs``. What is wrong with a page, a link or a docstring fails the build.

The sources are the pages of the repository, at the paths that they have there, so that their links mean the same on a
forge and on the site. Two pages are made from the code: the commands, and the keys of ``params.yaml``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
CONFIG = ROOT / "docs/zensical.toml"
BESIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md", "data/README.md")
"""Pages that stand elsewhere than in ``docs/``."""
COMMANDS, KEYS = "docs/reference/commands.md", "docs/reference/params.md"
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n(.*?)(?=^\w[\w ]*\n-{3,}$|\Z)", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^(\S.*)\n((?:(?: .*)?\n)*)", re.MULTILINE)
_COMPLAINT = re.compile(r"^(griffe|mkdocstrings|mkdocs_autorefs)\b.*", re.MULTILINE)


class SiteError(Exception):
    """The site is not as it should be; the message lists why."""


def sections(docstring: str) -> dict[str, dict[str, str]]:
    """Give the sections of a numpydoc docstring: the entries of each, with their descriptions on one line."""
    return {
        title: {name: " ".join(description.split()) for name, description in _ENTRY.findall(body + "\n")}
        for title, body in _SECTION.findall(docstring)
    }


def pages() -> dict[str, Path]:
    """Give the pages that are written by hand, by their path in the repository."""
    found = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in BESIDE)]
    return {path.relative_to(ROOT).as_posix(): path for path in found}


def nav() -> list[str]:
    """Give the pages that the navigation names, in its order."""

    def walk(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for one in entry.values() if isinstance(entry, dict) else entry:
                yield from walk(one)

    return list(walk(tomllib.loads(CONFIG.read_text())["project"]["nav"]))


def check_nav() -> None:
    """Compare the navigation with the pages; the site's generator looks at neither.

    Raises
    ------
    SiteError
        If a page is not in the navigation, or the navigation names one that is not there.
    """
    named, there = set(nav()), {*pages(), COMMANDS, KEYS}
    wrong = [f"{name}: not in the nav of {CONFIG.name}" for name in sorted(there - named)]
    wrong += [f"{name}: in the nav of {CONFIG.name}, and no such page" for name in sorted(named - there)]
    if wrong:
        raise SiteError("\n".join(wrong))


def commands() -> str:
    """Write the page of the commands, as typer tells them."""
    typer = [sys.executable, "-m", "typer", "beambell.cli.app", "utils", "docs", "--name", "beambell"]
    text = subprocess.run(typer, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    lines, title = [], ""
    for line in text.splitlines():
        if heading := re.fullmatch(r"#+ `([^`]*)`", line):
            title = heading[1].replace(" ", "-")
        # Its lists of commands cut the sentences that stand at each command in full.
        listed = re.fullmatch(r"\* `([a-z][a-z-]*)`: .*", line)
        lines.append(f"* [`{listed[1]}`](#{title}-{listed[1]})" if listed else line)
    return "\n".join(lines).replace("# `beambell`", "# Commands", 1) + "\n"


def keys() -> str:
    """Write the page of the keys of ``params.yaml``, from the models that read it.

    Raises
    ------
    SiteError
        If a key has no description.
    """
    from beambell.config import Params

    schema = Params.model_json_schema()
    undescribed: list[str] = []
    text = _linked("\n".join(_keys_of(schema, schema["$defs"], "", undescribed)))
    if undescribed:
        raise SiteError("\n".join(f"params.yaml: {key} has no description in beambell/config" for key in undescribed))
    return f"# Keys of params.yaml\n\n{text}\n"


def _keys_of(model: dict[str, Any], models: dict[str, Any], prefix: str, undescribed: list[str]) -> Iterator[str]:
    """Write one section's sentence and table; then those of the sections in it."""
    docstring = model["description"]
    yield re.split(r"\n\w+\n---", docstring)[0].strip()
    told = {
        key: description
        for entry, description in sections(docstring).get("Attributes", {}).items()
        for key in entry.split(", ")
    }
    nested: list[tuple[str, dict[str, Any]]] = []
    yield "\n| Key | Value | Default | What |\n|---|---|---|---|"
    for key, field in model["properties"].items():
        inner, name = field.get("additionalProperties", field), f"{prefix}{key}"
        if isinstance(inner, dict) and "$ref" in inner:
            nested.append((f"{name}.NAME" if inner is not field else name, models[inner["$ref"].rsplit("/", 1)[1]]))
            value, default = "a section", "" if key in model.get("required", ()) else "as below"
            description = told.get(key) or re.split(r"\n\w+\n---", nested[-1][1]["description"])[0]
        else:
            value, description = _value(field), told.get(key, "")
            default = f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else ""
        if not description:
            undescribed.append(name)
        yield "| " + " | ".join(_cell(one) for one in (f"`{name}`", value, default, description)) + " |"
    for name, section in nested:
        yield f"\n## `{name}`\n"
        yield from _keys_of(section, models, f"{name}.", undescribed)


def _value(field: dict[str, Any]) -> str:
    """Say in words what a key may be."""
    if "anyOf" in field:
        return " or ".join(_value(one) for one in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    kinds = {"array": "a list", "object": "a section", "string": "a text", "boolean": "`true` or `false`"}
    kinds |= {"integer": "a whole number", "number": "a number", "null": "`null`"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[bound]:,}".removesuffix(".0") for bound, sign in signs.items() if bound in field]
    return ", ".join([kinds[field["type"]], *bounds]) if "type" in field else "anything"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _linked(text: str) -> str:
    """Make links of the pages that a description names."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](../\1)", text)


def assemble(site: Path) -> None:
    """Put all sources into the folder ``source`` of a site, and the configuration beside it."""
    shutil.rmtree(site, ignore_errors=True)
    source = site / "source"
    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("*.toml"))
    for name in BESIDE:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for name, text in ((COMMANDS, commands()), (KEYS, keys())):
        (source / name).write_text(text)
    shutil.copy(CONFIG, site / CONFIG.name)


def render(zensical: Path, site: Path) -> None:
    """Render the sources of a site into its folder ``html``.

    Parameters
    ----------
    zensical
        Path of the command that renders.
    site
        Folder with the sources and the configuration; the packages that its pages name are in the folder above.

    Raises
    ------
    SiteError
        If it fails, warns, or meets a docstring that it cannot read.
    """
    done = subprocess.run(
        [zensical, "build", "--clean", "--strict", "--config-file", site / CONFIG.name],
        check=False,
        capture_output=True,
        text=True,
    )
    said = re.sub(r"\x1b\[[\d;]*m", "", done.stderr)  # it colours what no terminal shows
    # Even when strict, it goes on where a docstring has a parameter that the function has not.
    if done.returncode or _COMPLAINT.search(said):
        raise SiteError(said)


if __name__ == "__main__":
    try:
        check_nav()
        assemble(SITE)
        render(Path(sys.argv[1]), SITE)
    except SiteError as error:
        sys.exit(str(error))
    print(f"{SITE / 'html/index.html'}: open it in a browser, or `python -m http.server -d site/html` to search, too")
