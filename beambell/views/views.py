"""Views: pure functions from artefacts to dataclasses. ``--json``, the summary and later pages all show these."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from beambell.artefacts.kinds.labels import LabelModel, Labels, Verdict
from beambell.artefacts.kinds.models import Evaluation
from beambell.artefacts.kinds.records import Delivery, Rows
from beambell.artefacts.kinds.votes import State, Votes
from beambell.labeling import compile_lfs
from beambell.project import Project
from beambell.registry import champion, decisions, find_tags, versions, what_holds
from beambell.store import Partition

T = TypeVar("T")


@dataclass(frozen=True)
class StreamView:
    """One stream at a glance.

    Attributes
    ----------
    stream, first, last
        Name of the stream, and of its first and last partition.
    partitions, published
        Number of partitions, and how many have published labels.
    rows, duplicates, quarantined
        Rows kept, records replaced by a later revision, records that could not be read.
    coverage, conflict
        Shares of rows with a vote, and with votes that disagree.
    """

    stream: str
    first: str
    last: str
    partitions: int
    published: int
    rows: int
    duplicates: int
    quarantined: int
    coverage: float
    conflict: float


@dataclass(frozen=True)
class LFView:
    """One labeling function at a glance.

    Attributes
    ----------
    name, kind, fingerprint, description, owner
        Facts of the function itself.
    label
        The class it votes for, by name; ``None`` if it may vote for several.
    how, why
        Way in which its votes are computed, and the reason why not faster, where there is one.
    votes, coverage, errors
        Over all partitions; ``None`` while it has not been applied.
    """

    name: str
    kind: str
    how: str
    why: str
    label: str | None
    fingerprint: str
    owner: str | None
    description: str
    votes: int | None
    coverage: float | None
    errors: int | None


@dataclass(frozen=True)
class GateView:
    """The gate at a glance.

    Attributes
    ----------
    passed, failed
        Number of partitions that passed, and names of those that did not.
    warnings
        Failed checks that do not block.
    """

    passed: int
    failed: tuple[str, ...]
    warnings: int


@dataclass(frozen=True)
class ModelView:
    """One registered model version.

    Attributes
    ----------
    name, model, version
        ``spam@v3``, ``spam`` and 3.
    partitions
        Number of partitions that it was trained on.
    metrics
        Metrics that it was registered with.
    stage
        ``prod`` if it is the one that is served.
    tag
        State of its tag in git: ``tagged spam@v3.0.0``, or why there is none.
    tagged
        Whether git has a tag that is of this very model.
    held
        Person by whose decision it is served, with the reason and the end of the decision, if a person decided.
    """

    name: str
    model: str
    version: int
    partitions: int
    metrics: Mapping[str, Any]
    stage: str | None = None
    tag: str = ""
    tagged: bool = False
    held: str | None = None


@dataclass(frozen=True)
class Summary:
    """The whole project at a glance.

    Attributes
    ----------
    project
        Name of the project.
    streams
        Figures per stream.
    rows, patterns, lfs
        Numbers of rows summed up, of distinct vote patterns, and of labeling functions in the state.
    label_model
        Kind of the label model.
    gate
        Verdicts of the gate.
    metrics
        Metrics of the newest evaluation: ``majority_vote``, ``labels``, ``end_model``.
    model
        The newest registered version.
    warnings
        Sentences that a person should read, such as of gold labels that fit no row.
    """

    project: str
    streams: tuple[StreamView, ...]
    rows: int
    patterns: int
    lfs: int
    label_model: str | None
    gate: GateView
    metrics: Mapping[str, Any]
    model: ModelView | None
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def summarise(project: Project) -> Summary:
    """Sum up a project from its manifests; reads no rows."""
    store = project.store
    state, label_model, evaluation = State.read(store), LabelModel.read(store), Evaluation.read(store)
    models = list_models(project)
    return Summary(
        project=project.params.project,
        streams=tuple(_stream_views(project)),
        rows=state.rows if state else 0,
        patterns=state.patterns if state else 0,
        lfs=len(state.lfs) if state else 0,
        label_model=label_model.kind if label_model else None,
        gate=_gate_view(Verdict.each(store)),
        metrics=evaluation.metrics if evaluation else {},
        model=models[-1] if models else None,
    )


def _stream_views(project: Project) -> list[StreamView]:
    store = project.store
    made, voted = _by_stream(Rows.each(store)), _by_stream(Votes.each(store))
    published = _by_stream(Labels.each(store))
    quarantined: Counter[str] = Counter()
    for delivery in map(Delivery.of, store.under(Delivery.FOLDER).values()):
        quarantined[delivery.stream] += delivery.quarantined
    views = []
    for stream, partitions in sorted(made.items()):
        rows, votes = partitions.values(), voted.get(stream, {}).values()
        rows_voted_on = max(sum(one.rows for one in votes), 1)
        views.append(
            StreamView(
                stream=stream,
                first=min(partition.dt for partition in partitions),
                last=max(partition.dt for partition in partitions),
                partitions=len(partitions),
                published=len(published.get(stream, {})),
                rows=sum(one.rows for one in rows),
                duplicates=sum(one.duplicates for one in rows),
                quarantined=quarantined[stream],
                coverage=sum(one.covered for one in votes) / rows_voted_on,
                conflict=sum(one.conflicts for one in votes) / rows_voted_on,
            )
        )
    return views


def _by_stream(artefacts: Mapping[Partition, T]) -> dict[str, dict[Partition, T]]:
    split: defaultdict[str, dict[Partition, T]] = defaultdict(dict)
    for partition, artefact in artefacts.items():
        split[partition.stream][partition] = artefact
    return split


def _gate_view(verdicts: Mapping[Partition, Verdict]) -> GateView:
    findings = [finding for verdict in verdicts.values() for finding in verdict.findings]
    failed = tuple(str(partition) for partition, verdict in verdicts.items() if not verdict.passed)
    warnings = sum(finding["severity"] == "warning" for finding in findings)
    return GateView(len(verdicts) - len(failed), failed, warnings)


def list_lfs(project: Project) -> list[LFView]:
    """List the labeling functions, with what they did so far."""
    votes: defaultdict[str, int] = defaultdict(int)
    rows: defaultdict[str, int] = defaultdict(int)
    errors: defaultdict[str, int] = defaultdict(int)
    for voted in Votes.each(project.store).values():
        for voter in voted.lfs:
            votes[voter.fingerprint] += voter.votes
            errors[voter.fingerprint] += voter.errors
            rows[voter.fingerprint] += voted.rows
    compiled = compile_lfs(project.catalogue.lfs, cache_dir=project.volatile / "compiled")
    plans = {plan.lf: plan for plan in compiled.explain()}
    views = []
    for lf in project.catalogue:
        fingerprint = project.catalogue.fingerprints[lf.name]
        applied = rows.get(fingerprint)
        views.append(
            LFView(
                name=lf.name,
                kind=lf.kind,
                how=plans[lf.name].how,
                why=plans[lf.name].why,
                label=None if lf.label is None else project.params.classes[lf.label],
                fingerprint=fingerprint,
                owner=lf.owner,
                description=lf.description,
                votes=votes[fingerprint] if applied else None,
                coverage=votes[fingerprint] / applied if applied else None,
                errors=errors[fingerprint] if applied else None,
            )
        )
    return views


def list_models(project: Project) -> list[ModelView]:
    """List the registered model versions, oldest first."""
    known = versions(project)
    served = {model: champion(project, model) for model in {version.model for version in known}}
    tags = find_tags(project, known)
    return [
        ModelView(
            name=version.name,
            model=version.model,
            version=version.number,
            partitions=len(version.lineage["rows"]),
            metrics=version.metrics,
            stage=project.params.promotion.stage if served[version.model] == version else None,
            tag=tags[version.name].text,
            tagged=tags[version.name].holds,
            held=what_holds(decisions(project, version.model)) if served[version.model] == version else None,
        )
        for version in known
    ]
