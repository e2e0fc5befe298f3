"""Run benchmarks, all or those named, and write ``RESULTS.md``."""

from __future__ import annotations

import argparse
import importlib
import platform
import re
import time
from pathlib import Path

NAMES = (
    "apply",
    "threads",
    "growth",
    "unicode",
    "python_lfs",
    "compiling",
    "reapply",
    "memory",
    "label_model",
    "label_models",
    "review_queue",
    "label_model_settings",
    "refine",
    "state",
    "stateful",
    "new_day",
    "airflow",
    "relabel",
    "live",
    "gate",
)
PAGE = Path(__file__).with_name("RESULTS.md")
HEAD = """\
# Results

Written by `make bench`. Times are medians of alternated rounds on one machine: read the ratios.

"""
MARK = re.compile(r"^<!-- (\w+) -->\n", re.MULTILINE)


def main() -> None:
    """Measure, and write the page; what is not measured now keeps its section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    names = parser.parse_args().names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    for name in names:
        start = time.perf_counter()
        section = importlib.import_module(f"benchmarks.{name}").measure()
        _write(_sections() | {name: section})
        print(f"{section}\n({name}: {time.perf_counter() - start:.0f} s)\n", flush=True)


def _sections() -> dict[str, str]:
    parts = MARK.split(PAGE.read_text())[1:] if PAGE.exists() else []
    return {name: section.strip() for name, section in zip(parts[::2], parts[1::2], strict=True)}


def _write(sections: dict[str, str]) -> None:
    machine = f"Python {platform.python_version()}, {platform.machine()}\n\n"
    marked = [f"<!-- {name} -->\n{sections[name].strip()}\n" for name in NAMES if name in sections]
    PAGE.write_text(HEAD + machine + "\n".join(marked))


if __name__ == "__main__":
    main()
