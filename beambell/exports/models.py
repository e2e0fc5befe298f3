"""Export a registered model: a folder that predicts without BeamBell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, Final

from beambell.artefacts.kinds.models import Version
from beambell.errors import UsageError, storage_errors
from beambell.exports.place import Place, file_digest
from beambell.exports.record import MANIFEST, ExportedFile, ExportManifest
from beambell.model import EndModel, end_model, standalone
from beambell.project import Project
from beambell.registry.served import find_served
from beambell.store import canonical_json

RUNTIME: Final = "load_model.py"
"""Name in an export of the one file of Python that it takes to predict."""
VERSION: Final = "version.json"

_README = """\
# {name}

A text classifier of the classes {classes}, trained by BeamBell. It predicts without BeamBell: numpy, scipy and
scikit-learn{more} are enough.

```python
from load_model import load

model = load(".")  # this folder
model.classes
model.predict_proba(["a text", "another"])
model.predict_proba([{{"text": "a text"{fields}}}])
```

`version.json` says what it was trained on and how good it was. Nothing here is pickled.
"""


@dataclass(frozen=True)
class ExportedModel:
    """A model that was exported.

    Attributes
    ----------
    name, out
        Name of the version, and path of the folder.
    files
        Names of the files in the folder.
    runs_alone
        Whether it predicts without BeamBell: a kind of the project's own needs the class that trained it.
    """

    name: str
    out: str
    files: tuple[str, ...]
    runs_alone: bool


def export_model(project: Project, name: str, out: str, *, replace: bool = False) -> ExportedModel:
    """Write a version as a folder that predicts without BeamBell; it appears in one step.

    Parameters
    ----------
    project
        Project of the version.
    name
        Name of the version, as ``spam@v3``; ``champion`` or ``newest``.
    out
        Path of the folder.
    replace
        Whether what lies there may be lost, though it is no export of ours, or was changed since.

    Raises
    ------
    UsageError
        If something else lies there, or nothing may be put there.
    """
    if "://" in out:
        raise UsageError("models go to a folder of this machine", where=f"--out {out}", fix="copy it from there")
    version = find_served(project, name)
    place = Place(Path(out), is_file=False)
    place.check(project.path)
    refs = {role: ref for role, ref in version.manifest.files.items() if role != "predictions"}
    contents = {role: project.store.get(version.folder, ref) for role, ref in refs.items()}
    if end_model.kind_of(contents) is None:
        _ = project.catalogue
    model, alone = EndModel.from_files(contents), _runs_alone(contents)
    contents[VERSION] = canonical_json(_about(version.name, model, version.manifest.id, Version.of(version.manifest)))
    if alone:
        contents[RUNTIME] = resources("beambell.model").joinpath("standalone.py").read_bytes()
        contents["README.md"] = _readme(version.name, model, "estimator.skops" in contents).encode()
    with storage_errors(str(place.out)), place.drafting():
        if not replace:
            place.found(project.params.project)
        for name_ in place.folder.walk(""):
            place.folder.remove(name_)
        for name_, data in contents.items():
            _write(place, name_, data)
        sizes = {n: len(data) for n, data in sorted(contents.items())}
        made = [ExportedFile(n, file_digest(place.folder.path(n)), size, 0) for n, size in sizes.items()]
        facts = {"project": project.params.project, "model": version.name, "id": version.manifest.id}
        _write(place, MANIFEST, ExportManifest(facts, (), tuple(made)).to_bytes())
        place.publish()
    return ExportedModel(version.name, str(place.out), tuple(sorted(contents)), alone)


def _write(place: Place, name: str, data: bytes) -> None:
    with place.folder.draft() as draft:
        draft.file.write(data)
        draft.publish(name)


def _runs_alone(contents: dict[str, bytes]) -> bool:
    try:
        standalone.from_files(contents)
    except ValueError:
        return False
    return True


def _about(name: str, model: EndModel, id_: str, version: Version) -> dict[str, Any]:
    facts = {"classes": list(model.classes), "fields": list(model.fields)}
    return {"name": name, "id": id_, **facts, "metrics": dict(version.metrics), "lineage": dict(version.lineage)}


def _readme(name: str, model: EndModel, needs_skops: bool) -> str:
    fields = "".join(f", {json.dumps(field)}: ..." for field in model.fields)
    classes = ", ".join(f"`{name}`" for name in model.classes)
    return _README.format(name=name, classes=classes, fields=fields, more=" and skops" if needs_skops else "")
