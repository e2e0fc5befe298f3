"""A project that has artefacts of every kind: run, reviewed, and run again."""

from __future__ import annotations

from pathlib import Path

from projects import change_params, run_stages

from beambell import Project
from beambell.stages.deciding import decide
from beambell.stages.feedback import add_event
from beambell.stages.promote import promote
from beambell.store import Layout
from beambell.workshop.review_queue import build_queue, record_queue
from beambell.workshop.starter import start

STATEFUL = """
from beambell.labeling import aggregates, stateful_labeling_function


@stateful_labeling_function(key="sender", aggregate=aggregates.count(), fields=(), label=OTHER)
def known(row, past):
    return past >= 2


@stateful_labeling_function(
    key="sender", aggregate=aggregates.feedback_rate(COMPLAINT, min_reviewed=1), fields=(), label=COMPLAINT
)
def complained(row, past):
    return past is not None and past > 0.5
"""
GOLD = "stream,id,label\n" + "".join(f"mails,m{n:02d},{'complaint' if n % 2 else 'other'}\n" for n in range(1, 31))


def project_of_every_kind(folder: Path) -> Path:
    """Make the starter project with stateful labeling functions, gold, a review queue, and answers to it."""
    start(folder)
    lfs = folder / "labeling_functions" / "mails.py"
    lfs.write_text(lfs.read_text() + STATEFUL)
    (folder / "gold.csv").write_text(GOLD)
    change_params(folder, evaluation={"gold": ["gold.csv"], "holdout": 0.5})
    run_stages(folder)
    project = Project(folder)
    record_queue(project, build_queue(project, project.select(), size=5))
    for row in ("m01", "m02", "m03", "m11", "m12"):
        add_event(project, stream="mails", row_id=row, label="complaint", reviewer="ann", time="2026-02-01T00:00:00Z")
    where = str(next(iter(project.store.partitions(Layout.VERDICTS))))
    decide(project, "reject", where, reason="the sender made tests")
    decide(project, "accept", where, reason="they were no tests")
    promote(project, "v1", by="ann", reason="to be served", override=True)
    change_params(folder, predictions={"mode": "champion"})
    run_stages(folder)
    return folder
