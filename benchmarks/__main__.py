"""Run every benchmark and write ``RESULTS.md``."""

from __future__ import annotations

import platform
from pathlib import Path

from benchmarks import label_model, labeling_functions, new_day

HEAD = """\
# Results

Written by `make bench`. Times are medians of one run on one machine: read the ratios.

"""


def main() -> None:
    """Measure, and write the page."""
    sections = [benchmark.measure() for benchmark in (labeling_functions, label_model, new_day)]
    machine = f"Python {platform.python_version()}, {platform.machine()}\n\n"
    Path(__file__).with_name("RESULTS.md").write_text(HEAD + machine + "\n".join(sections))


if __name__ == "__main__":
    main()
