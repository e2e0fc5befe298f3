"""Raw files of two streams, and what may happen to one of them: corrected, removed, renamed."""

from __future__ import annotations

from pathlib import Path

PARAMS = {
    "project": "files",
    "classes": ["other", "complaint"],
    "streams": {
        "one": {"inputs": ["one/{dt}*"], "id": "id", "time": "ts"},
        "two": {"inputs": ["two/*.csv"], "id": "id", "time": "ts"},
    },
    "lfs": {"modules": ["lfs_of_files"]},
    "label_model": {"kind": "majority"},
    "gate": {"min_coverage": 0.0, "min_class_share": 0.0},
    "model": {"features": 256},
    "beam": {"workers": 1},
}
LFS = """
from beambell.labeling import keyword
refund = keyword("refund", any_of=["refund"], label=1)
hello = keyword("hello", any_of=["hello"], label=0)
"""
CHANGED = "one/2026-01-02.csv"


def csv(*rows: tuple[str, str, int]) -> str:
    """Spell rows of id, text and day of January 2026."""
    return "id,text,ts\n" + "".join(f"{i},{text},2026-01-{day:02d}T10:00:00Z\n" for i, text, day in rows)


FILES = {
    "one/2026-01-01.csv": csv(("a", "hello", 1), ("b", "refund", 1), ("c", "hello", 2)),
    CHANGED: csv(("b", "hello again", 1), ("c", "refund it", 2), ("d", "refund", 2), ("e", "hello", 3)),
    "one/2026-01-03.csv": csv(("e", "refund now", 3), ("f", "hello", 3), ("d", "hello", 2)),
    "two/a.csv": csv(("a", "hello", 1), ("z", "refund", 2)),
    "two/b.csv": csv(("a", "refund", 1), ("y", "hello", 4)),
}
"""Files with rows of several days, which share ids, in streams that share ids."""


def same(files: dict[str, str], word: str) -> dict[str, str]:
    """Nothing happens."""
    return files


def corrected(files: dict[str, str], word: str) -> dict[str, str]:
    """One file says something else, of other days: what it hid and what it had elsewhere must come and go."""
    return {**files, CHANGED: csv(("d", word, 2), ("g", "refund", 4))}


def removed(files: dict[str, str], word: str) -> dict[str, str]:
    """One file is gone."""
    return {name: text for name, text in files.items() if name != CHANGED}


def renamed(files: dict[str, str], word: str) -> dict[str, str]:
    """One file has another name, which makes it the last word on what others say, too."""
    return {**removed(files, word), "one/2026-01-04.csv": files[CHANGED]}


def write(folder: Path, files: dict[str, str]) -> None:
    """Make these the raw files of a project."""
    for stream in ("one", "two"):
        (folder / stream).mkdir(exist_ok=True)
        for path in (folder / stream).iterdir():
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)
