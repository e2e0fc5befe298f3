"""The kinds of artefact there are: what each is called, where each belongs, and how a damaged one is made good.

A folder that is added to `Layout.ARTEFACTS` needs a line here: without it nothing can be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from beambell.errors import ArtefactError
from beambell.store.layout import Layout

#: Folder where a manifest belongs by its facts and inputs; ``None`` if they do not say.
Home = Callable[[Mapping[str, Any], Mapping[str, str]], str | None]


def _anywhere(facts: Mapping[str, Any], inputs: Mapping[str, str]) -> None:  # noqa: ARG001 - of a family with one folder
    return


def _by_partition(folder: str) -> Home:
    def home(facts: Mapping[str, Any], inputs: Mapping[str, str]) -> str | None:  # noqa: ARG001
        return f"{folder}/stream={facts['stream']}/dt={facts['dt']}" if {"stream", "dt"} <= facts.keys() else None

    return home


def _by_file(facts: Mapping[str, Any], inputs: Mapping[str, str]) -> str | None:  # noqa: ARG001
    return Layout.delivery(facts["stream"], facts["file"]) if {"stream", "file"} <= facts.keys() else None


def _by_inputs(facts: Mapping[str, Any], inputs: Mapping[str, str]) -> str | None:  # noqa: ARG001
    return Layout.batch(inputs)


def _by_version(facts: Mapping[str, Any], inputs: Mapping[str, str]) -> str | None:  # noqa: ARG001
    return Layout.version(facts["name"], facts["version"]) if {"name", "version"} <= facts.keys() else None


def _by_decision(facts: Mapping[str, Any], inputs: Mapping[str, str]) -> str | None:  # noqa: ARG001
    if not {"version", "number"} <= facts.keys():  # decisions did not say their number at first
        return None
    return Layout.decision(facts["version"].rpartition("@v")[0], facts["number"])


@dataclass(frozen=True)
class Family:
    """The artefacts below one folder of `Layout`.

    Attributes
    ----------
    kind
        What their manifests call themselves.
    title
        What people call one of them.
    home
        Where a manifest belongs by what it says of itself.
    keeps_history
        Whether every manifest there ever was is kept.
    """

    kind: str
    title: str
    home: Home = _anywhere
    keeps_history: bool = False


_ALL: Final = {
    Layout.PARTITIONS: Family("partition", "partition", _by_partition(Layout.PARTITIONS)),
    Layout.DELIVERIES: Family("delivery", "delivery", _by_file),
    Layout.ANSWERS: Family("answers", "answers"),
    Layout.AGGREGATES: Family("aggregate", "aggregate"),
    Layout.VOTES: Family("votes", "votes", _by_partition(Layout.VOTES)),
    Layout.CANDIDATES: Family("labels", "candidate labels", _by_partition(Layout.CANDIDATES)),
    Layout.LABELS: Family("labels", "labels", _by_partition(Layout.LABELS)),
    Layout.VERDICTS: Family("verdict", "verdict"),
    Layout.STATE: Family("state", "state", keeps_history=True),
    Layout.FEEDBACK_BATCHES: Family("feedback_batch", "feedback batch", _by_inputs),
    Layout.FEEDBACK: Family("feedback", "feedback", keeps_history=True),
    Layout.FEEDBACK_QUEUES: Family("feedback_queue", "review queue"),
    Layout.LABEL_MODEL: Family("label_model", "label model", keeps_history=True),
    Layout.END_MODEL: Family("end_model", "end model", keeps_history=True),
    Layout.REGISTRY: Family("model_version", "model version", _by_version, keeps_history=True),
    Layout.EVALUATION: Family("evaluation", "evaluation"),
    Layout.DECISIONS: Family("decision", "decision", _by_decision),
}
FAMILIES: Final = {folder: _ALL[folder] for folder in Layout.ARTEFACTS}
"""By folder; of two folders of which one lies in the other, the inner one is first."""

_NEVER_MADE_AGAIN: Final = {
    Layout.REGISTRY: "a registered version is never made again: restore {where} from a backup or from DVC",
    Layout.DECISIONS: "a decision is never made again by itself: restore {where} from a backup",
    Layout.FEEDBACK_BATCHES: "restore {where} from a backup; or remove {folder}, and take its answers in again",
    Layout.FEEDBACK_QUEUES: "restore {where} from a backup; or remove {folder}: its rows may then be asked about again",
}


def family_folder(folder: str) -> str | None:
    """Folder of `Layout` that an artefact's folder belongs to; ``None`` if it is no artefact's."""
    folder = Layout.today(folder)
    return next((family for family in FAMILIES if folder == family or folder.startswith(f"{family}/")), None)


def check_home(folder: str, kind: str, facts: Mapping[str, Any], inputs: Mapping[str, str], where: str) -> None:
    """Refuse a manifest that lies where it does not belong: it was copied, moved or swapped.

    Parameters
    ----------
    folder
        Where it lies.
    kind, facts, inputs
        What it says.
    where
        Its path or URL, for the message.

    Raises
    ------
    ArtefactError
        If it says of itself another kind, partition, name or number than its folder does.
    """
    family = family_folder(folder)
    if family is None:
        return
    if kind != FAMILIES[family].kind:
        what = f"a manifest of kind {kind!r} where one of kind {FAMILIES[family].kind!r} belongs"
    elif (home := FAMILIES[family].home(facts, inputs)) not in (None, Layout.today(folder)):
        what = f"the manifest of {home}, which does not belong here: it was copied, moved or swapped"
    else:
        return
    raise ArtefactError(what, where=where, fix=how_to_mend(f"{folder}/{Layout.MANIFEST}"))


def how_to_mend(where: str) -> str:
    """Say what makes a damaged file good again, given its name below the data root."""
    folder, _, name = where.rpartition("/")
    never = _NEVER_MADE_AGAIN.get(family_folder(folder) or "")
    if never:
        return never.format(where=where, folder=folder)
    if f"/{Layout.HISTORY}/" in where:
        return "restore it from a backup, or remove it: only lineage of older artefacts needs it"
    if name == Layout.MANIFEST:
        return f"remove {where}, then `beambell run` makes it anew"
    return f"remove {where} and {folder}/{Layout.MANIFEST}, then `beambell run` makes both anew"
