"""Fit: the label model, from the state's pattern counts, and from the part of the feedback that is for fitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.artefacts.kinds.feedback import FeedbackCounts as FeedbackCounted
from beambell.artefacts.kinds.labels import LabelModel
from beambell.artefacts.kinds.votes import State
from beambell.artefacts.stored import roles
from beambell.config.formats import with_format
from beambell.errors import LabelModelError
from beambell.feedback.stored import Role, read_counts
from beambell.project import Project
from beambell.stages.order import stage_named
from beambell.stages.screen import quarantined_lfs
from beambell.stages.stage import Outcome, Plan, Task, plan_whole, staleness
from beambell.state import FeedbackCounts, PatternCounts
from beambell.state import patterns as packed
from beambell.store import Layout, Manifest, canonical_json, digest
from beambell.store.arrays import pack_arrays
from beambell.store.tables import write_table

STAGE = "fit"
NAMES = {"params": "label_model in params.yaml", "weighing": "lfs.shadow or the quarantine"}


def plan(project: Project) -> Plan[bool]:
    """Say whether the label model would be fitted again, and why; its work says whether answers are counted first."""
    before, uncounted = project.store.read(Layout.LABEL_MODEL), _is_uncounted(project)
    planned = plan_whole(STAGE, "label model", before, _inputs(project), NAMES, work=uncounted)
    if uncounted and not planned.tasks:
        return replace(planned, tasks=(Task("label model", "feedback changed"),), current=0)
    return planned


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    return {**project.params.in_force("label_model"), "shadow": sorted(project.params.lfs.shadow)}


def run(project: Project, plan: Plan[bool]) -> Outcome:
    """Fit the label model, unless state and parameters are those it was fitted with."""
    if plan.work:
        stage_named("count").refresh(project, plan.selection)
    manifest = project.store.read(Layout.LABEL_MODEL)
    is_stale = bool(plan.tasks) and staleness(manifest, _inputs(project) or {}) is not None
    if is_stale:
        manifest = _publish(project)
    figures = LabelModel.of(manifest).figures if manifest else {}
    return Outcome(STAGE, int(is_stale), 1 - int(is_stale) if plan.tasks else plan.current, figures)


def _is_uncounted(project: Project) -> bool:
    """Say whether what people said, or the functions whose votes it is counted by, changed since it was counted."""
    consensus, state = project.store.read(Layout.FEEDBACK), project.store.read(Layout.STATE)
    if consensus is None or state is None or not State.of(state).rows:
        return False
    counts = project.store.read(Layout.FEEDBACK_COUNTS)
    wanted = (consensus.files["rows"].sha256, state.inputs["lfs"])
    return counts is None or (FeedbackCounted.of(counts).consensus, counts.inputs["lfs"]) != wanted


def _inputs(project: Project) -> dict[str, str] | None:
    state = project.store.read(Layout.STATE)
    if state is None or not State.of(state).rows:
        return None
    patterns, marginals = roles()
    further = {"marginals": state.files[marginals].sha256} if marginals in state.files else {}
    feedback = project.store.read(Layout.FEEDBACK_COUNTS)
    if feedback and feedback.files["fit"].rows:
        further["feedback"] = feedback.files["fit"].sha256
    made_from = {
        "state": state.files[patterns].sha256,
        "lfs": State.of(state).lfs_digest,
        "weighing": digest(weighing_lfs(project, State.of(state).lfs)),
        "params": digest(project.params.label_model.model_dump(mode="json")),
    }
    return with_format(STAGE, further | made_from)


def weighing_lfs(project: Project, lfs: Sequence[str]) -> list[str]:
    """Return those of some labeling functions that the label model listens to: not in shadow, not in quarantine."""
    unheard = {*project.params.lfs.shadow, *quarantined_lfs(project)}
    return [name for name in lfs if name not in unheard]


def _publish(project: Project) -> Manifest:
    from beambell import label_model

    params, folder = project.params.label_model, Layout.LABEL_MODEL
    everyone = project.state()
    counts = everyone.restrict(weighing_lfs(project, everyone.lfs))
    feedback = read_feedback(project, counts.lfs)
    project.register_label_models(params.kind)
    model = label_model.create(params.kind, **params.options).fit(counts, feedback)
    files = {
        "config": project.store.put(folder, "config", ".json", canonical_json(model.config())),
        "params": project.store.put(folder, "params", ".npz", pack_arrays(model.params())),
        "posterior": write_table(project.store, folder, "posterior", posterior_table(model, counts)),
    }
    facts = {
        "kind": params.kind,
        "lfs": list(counts.lfs),
        "voting": list(everyone.lfs),
        "classes": list(project.params.classes),
        "cardinality": counts.cardinality,
        "rows": counts.n_rows,
        "patterns": counts.n_patterns,
    }
    if feedback:
        facts["feedback"] = feedback.n_rows
    inputs = _inputs(project) or {}
    return project.store.publish(folder, Manifest("label_model", files, inputs, facts), keep_history=True)


def read_feedback(project: Project, lfs: Sequence[str], role: Role = "fit") -> FeedbackCounts | None:
    """Read the labels that people gave, by the votes of some of the state's labeling functions.

    Parameters
    ----------
    lfs
        Names of the labeling functions whose votes count.
    role
        The part of the rows that label models are fitted to, or the one that only measures.

    Raises
    ------
    LabelModelError
        If they were counted by votes of other labeling functions than the state's.
    """
    feedback, state = project.store.read(Layout.FEEDBACK_COUNTS), project.store.read(Layout.STATE)
    counts = read_counts(project.store, feedback, role)
    if counts is None or feedback is None or state is None:
        return None
    if feedback.inputs["lfs"] != state.inputs["lfs"]:
        raise LabelModelError(
            "feedback is counted by the votes of other labeling functions than the state's",
            where=project.store.files.path(Layout.FEEDBACK_COUNTS),
            fix="run `beambell count` first: it looks up the votes that reviewed rows have now",
        )
    return counts.restrict(lfs)


def posterior_table(model: Any, counts: PatternCounts) -> pa.Table:
    """Posterior of every pattern of the state: what every label is looked up in.

    Returns
    -------
    pyarrow.Table
        ``pattern`` (packed), ``rows``, and ``p_0 .. p_{K-1}`` (float64), in order of pattern.
    """
    proba = model.posterior(counts.patterns)
    codes = packed.pack(counts.patterns, counts.cardinality)
    columns = {"pattern": packed.to_arrow(codes), "rows": pa.array(counts.counts)}
    return pa.table(
        columns | {f"p_{k}": pa.array(np.ascontiguousarray(proba[:, k])) for k in range(counts.cardinality)}
    )
