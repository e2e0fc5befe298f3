"""The review queue: which rows to ask people about next.

What it costs: the table of pattern counts of every selected partition; of the partitions that hold picked rows, their
ids and patterns, and the texts of those rows. No other row is read, however many there are. If there is an end model,
it predicts the picked rows, and about twenty times as many as its share of the queue.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beambell.errors import UsageError
from beambell.feedback import interchange, label_studio
from beambell.feedback.queue import Reason
from beambell.label_model.expected_gain import ExpectedGain, expected_gain
from beambell.model import EndModel
from beambell.project import Project
from beambell.registry.served import load_model
from beambell.stages.fit import read_feedback
from beambell.state import FeedbackCounts
from beambell.store import Layout, Manifest, Selection, digest
from beambell.store.files import Files
from beambell.store.tables import write_table
from beambell.workshop.queue_draw import Draw
from beambell.workshop.queue_pool import read_pool
from beambell.workshop.queue_record import Known
from beambell.workshop.queue_tasks import ReviewQueue, lay_out
from beambell.workshop.queue_views import QueueView

if TYPE_CHECKING:
    from beambell.label_model import LabelModel


def build_queue(project: Project, selection: Selection, *, size: int | None = None, again: bool = False) -> ReviewQueue:
    """Draw rows to ask about. The same project gives the same rows.

    Parameters
    ----------
    size
        Number of rows; ``feedback.queue.size`` by default.
    again
        Whether to ask once more about rows that were in a queue and have no answer.

    Raises
    ------
    UsageError
        If there is no row to draw from, or none that was not asked about.
    """
    params = project.params.feedback.queue
    wanted = size or params.size
    warnings: list[str] = []
    end_model = _end_model(project, warnings) if params.disagreement else None
    reasons = [reason for reason in Reason if reason is not Reason.DISAGREEMENT or end_model]
    pool = read_pool(project, selection, {reason: getattr(params, reason) for reason in reasons}, warnings)
    known = Known.of(project, again=again)
    draw = Draw(project, pool, end_model, known)
    rows, until = draw.first(wanted)
    if not rows:
        raise UsageError("no row is left to ask about", fix="ask again about rows that were given out: --again")
    if (left := len({row.text_key for row in rows})) < wanted:
        warnings.append(f"only {left} rows are left to ask about, not {wanted}")
    return lay_out(project, draw, rows, until, tuple(warnings))


def _end_model(project: Project, warnings: list[str]) -> EndModel | None:
    if project.store.read(Layout.END_MODEL) is None:
        return None
    model = load_model(project)
    if model.classes == project.params.classes:
        return model
    warnings.append("the end model has other classes than params.yaml, and is not asked: run `beambell train`")
    return None


def show_queue(made: ReviewQueue, gain: ExpectedGain | None = None, files: tuple[str, ...] = ()) -> QueueView:
    """Lay a queue out for people."""
    tasks = tuple(made.tasks.to_pylist())
    return QueueView(
        tasks, made.by_reason, made.by_stream, **made.figures, gain=gain, warnings=made.warnings, files=files
    )


def estimate_gain(project: Project, made: ReviewQueue) -> ExpectedGain:
    """Estimate what answers to a queue would buy; of its rows, as many as are not kept for evaluation are fitted to."""
    from beambell import label_model

    params, everyone = project.params.label_model, project.state()
    counts = everyone.restrict([name for name in everyone.lfs if name not in project.params.lfs.shadow])
    fitted = 1 - project.params.feedback.evaluate
    picks = np.array([fitted * made.expected.get(bytes(pattern), 0.0) for pattern in counts.packed])
    project.register_label_models(params.kind)

    def fit(feedback: FeedbackCounts) -> LabelModel:
        return label_model.create(params.kind, **params.options).fit(counts, feedback)

    return expected_gain(fit, counts, read_feedback(project, counts.lfs), picks)


def export_queue(
    project: Project,
    selection: Selection,
    out: Path,
    file_format: str,
    *,
    size: int | None = None,
    again: bool = False,
    force: bool = False,
) -> QueueView:
    """Write a queue as a file for reviewers, and note that its rows were given out.

    Parameters
    ----------
    size, again
        Size of the queue, and whether rows may be asked about again: see `build_queue`.
    out
        The file. Beside tasks for Label Studio, their labeling interface is written, as ``.config.xml``.
    force
        Write over a file that is there.

    Raises
    ------
    UsageError
        If the file is there: someone may be filling it in. As `build_queue` does.
    """
    if out.exists() and not force:
        raise UsageError("there is such a file", where=str(out), fix="choose another name, or write over it: --force")
    with project.writing():
        made = build_queue(project, selection, size=size, again=again)
        contents = {out: b"".join(interchange.write_tasks(made.tasks, file_format))}
        if file_format == "label-studio":
            config = label_studio.labeling_config(project.params.classes)
            contents[out.with_suffix(".config.xml")] = config.encode()
        for path, data in contents.items():
            Files(path.parent).write(path.name, data)
        # Only then: a queue that nobody has would be lost, and one that was given out twice is not.
        record_queue(project, made)
    return show_queue(made, files=tuple(str(path) for path in contents))


def record_queue(project: Project, made: ReviewQueue) -> Manifest:
    """Note that a queue was given out: its rows are not asked about again."""
    store = project.store
    with project.writing():
        model = store.require(Layout.LABEL_MODEL, "run `beambell fit`")
        ids = [made.record[name].to_pylist() for name in ("stream", "row_id")]
        folder = f"{Layout.FEEDBACK_QUEUES}/{digest(ids)[:32]}"
        files = {"rows": write_table(store, folder, "rows", made.record)}
        facts = {"rows": made.tasks.num_rows, "by_reason": made.by_reason, "by_stream": made.by_stream}
        return store.publish(folder, Manifest("feedback_queue", files, {"label_model": model.id}, facts))
