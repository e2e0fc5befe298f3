"""The documentation: every page is in the navigation, every link leads somewhere, every key is described."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import sys
from pathlib import Path

import pytest
from docs_site import CONFIG, ROOT, SITE, SiteError, assemble, check_nav, commands, keys, pages, render

ZENSICAL = Path(sys.prefix) / "docs/bin/zensical"
needs_zensical = pytest.mark.skipif(not ZENSICAL.exists(), reason="`make docs` installs what renders the site")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("name", pages())
def test_a_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    broken = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        target, _, anchor = link.partition("#")
        file = page.parent / target if target else page
        if not link.startswith("http") and (not file.exists() or (anchor and anchor not in _anchors(file))):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("name", pages())
def test_an_object_that_a_page_describes_is_there(name: str) -> None:
    for target in re.findall(r"^::: (\S+)$", (ROOT / name).read_text(), re.MULTILINE):
        pkgutil.resolve_name(target)


def test_every_page_is_in_the_navigation_and_nothing_else() -> None:
    check_nav()


def test_a_page_that_is_not_in_the_navigation_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / CONFIG.name
    config.write_text(CONFIG.read_text().replace("docs/state.md", "docs/estate.md"))
    monkeypatch.setattr("docs_site.CONFIG", config)
    with pytest.raises(SiteError, match=r"docs/state.md: not in the nav(.|\n)*docs/estate.md: in the nav"):
        check_nav()


def test_every_key_of_params_is_described_once() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| (.+) \|$", keys(), re.MULTILINE)
    names = [name for name, _ in rows]
    assert {"data", "streams.NAME.csv.delimiter", "gate.max_lost", "feedback.queue.size"} <= set(names)
    assert len(names) == len(set(names))


def test_every_command_is_on_the_page_of_commands() -> None:
    text = commands()
    for words in ("run", "lf test", "feedback queue", "models promote", "gc"):
        assert re.search(rf"^#+ `beambell {words}`$", text, re.MULTILINE)
    assert "* [`run`](#beambell-run)" in text


@needs_zensical
@pytest.mark.heavy
def test_the_site_is_built_and_fetches_nothing_from_other_hosts(tmp_path: Path) -> None:
    (tmp_path / "beambell").symlink_to(ROOT / "beambell")
    assemble(tmp_path / SITE.name)
    render(ZENSICAL, tmp_path / SITE.name)
    html = tmp_path / SITE.name / "html"
    for room in ("labeling", "state", "label_model", "feedback", "records", "model"):
        text = (html / f"docs/reference/{room}.html").read_text()
        told = set(re.findall(r'id="beambell\.(?:\w+\.)*(\w+)"', text))
        assert set(importlib.import_module(f"beambell.{room}").__all__) <= told
    for page in html.rglob("*.html"):
        assert not re.findall(
            r"<(?:script|img|link|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//[^\" >]*", page.read_text()
        )


@needs_zensical
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("[gone](gone.md)", "gone"),
        ("[gone](#gone)", "anchor"),
        ("::: odd.gone", "odd.gone"),
        ("::: odd.f", "'y' does not appear"),
    ],
)
def test_what_is_wrong_fails_the_build(tmp_path: Path, page: str, said: str) -> None:
    (tmp_path / "odd.py").write_text(
        'def f(x: int) -> int:\n    """Give it.\n\n    Parameters\n    ----------\n    y\n        A number.\n    """\n'
    )
    site = tmp_path / "site"
    (site / "source").mkdir(parents=True)
    shutil.copy(CONFIG, site)
    (site / "source/README.md").write_text(f"# Odd\n\n{page}\n")
    with pytest.raises(SiteError, match=said):
        render(ZENSICAL, site)
