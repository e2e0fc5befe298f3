"""What lies where below a data root, as its ``README.md`` says it: made from the declarations of the kinds.

``python -m beambell.artefacts.readme`` writes it anew; a test says when it is stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from beambell.artefacts.kind import kinds
from beambell.store.layout import Layout

FILE: Final = "data/README.md"

_HEAD: Final = """\
# data

Everything below this folder is generated, but for what people put into `reviews/`; nothing of it is in git.
(This page, too, is made: by `python -m beambell.artefacts.readme`, from the kinds in `beambell/artefacts/kinds`.)

"""

_TAIL: Final = """
Read a `manifest.json` first: it names the files that are valid, their digests, and what they were made from. A file
that no manifest names is not part of anything. `labels/` alone needs none: point pandas, DuckDB or Spark at it.
"""

_OTHERS: Final = {
    "raw/STREAM/": "Raw files, as they were delivered (the demo generates them).",
    "gold/": "Gold labels, read by evaluation only.",
    "reviews/": "Files of feedback, as people deliver them.",
    f"{Layout.LFS}/NAME/": "Source, description and owner of each version of a labeling function.",
    f"{Layout.INPUTS}/": "What each stage reads that no other stage makes, for DVC.",
    f"{Layout.PUBLIC}/stream=S/dt=D/": f"{Layout.PUBLIC_FILE}: labels that passed the gate, for everybody.",
}
"""Folders that hold no artefacts."""


def readme() -> str:
    """Spell the page: a line for each folder, in the order of their names."""
    lines = {place: f"{what} | |" for place, what in _OTHERS.items()}
    for kind in kinds().values():
        place = "/".join(filter(None, (kind.FOLDER, kind.BELOW)))
        lines[f"{place}/"] = f"{kind.SENTENCE} | {', '.join(f'`{role}`' for role in kind.FILES)} |"
    rows = "".join(f"| `{place}` | {line}\n" for place, line in sorted(lines.items()))
    return f"{_HEAD}| Folder | What lies there | Data files, by role |\n|---|---|---|\n{rows}{_TAIL}"


if __name__ == "__main__":
    Path(FILE).write_text(readme(), encoding="utf-8")
