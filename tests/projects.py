"""Projects for tests: real ones, in a temporary folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def small_project(folder: Path, *, days: int = 3, scale: float = 0.06, **changes: Any) -> Path:
    """Make the demo project in a folder, with few rows.

    Parameters
    ----------
    folder
        Where; made if it is not there.
    days, scale
        Of the generated raw files.
    **changes
        Sections of ``params.yaml`` to merge into, such as ``beam={"workers": 1}``; one with a ``kind`` is replaced.
    """
    from beambell.demo import generate

    folder.mkdir(parents=True, exist_ok=True)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["label_model"] = {"kind": "snorkel", "options": {"n_epochs": 50, "seed": 123}}
    params["demo"] = {"days": days, "scale": scale}
    write_params(folder, _merged(params, changes))
    shutil.copytree(
        REPOSITORY / "labeling_functions",
        folder / "labeling_functions",
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    generate(folder / "data" / "raw", days=days, scale=scale)
    return folder


def write_params(folder: Path, params: dict[str, Any]) -> None:
    """Write ``params.yaml``."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def change_params(folder: Path, **changes: Any) -> None:
    """Merge changes into ``params.yaml``."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    write_params(folder, _merged(params, changes))


def tree_bytes(folder: Path, *, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Read every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part in without for part in path.relative_to(folder).parts)
    }


def _merged(tree: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(tree)
    for key, value in changes.items():
        old = merged.get(key)
        keep = isinstance(old, dict) and isinstance(value, dict) and "kind" not in value
        merged[key] = _merged(old, value) if keep else value
    return merged


def run_stages(folder: Path, *names: str, **selection: Any) -> dict[str, Any]:
    """Run stages in this process, all by default; returns their outcomes by name."""
    from beambell import Project
    from beambell.stages.order import STAGES

    project = Project(folder)
    selected = project.select(**selection)
    return {stage.name: stage.refresh(project, selected) for stage in STAGES if not names or stage.name in names}


def published(folder: Path) -> dict[str, bytes]:
    """Read every current manifest and every file that one names: what a reader can see."""
    from beambell import Project

    store, root, seen = Project(folder).store, folder / "data", {}
    for place, manifest in store.under("").items():
        seen[f"{place}/manifest.json"] = (root / place / "manifest.json").read_bytes()
        for ref in manifest.files.values():
            seen[f"{place}/{ref.name}"] = (root / place / ref.name).read_bytes()
    return seen
