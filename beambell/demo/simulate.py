"""A round of feedback on the demo's data set, by simulated reviewers: what `beambell demo` shows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from beambell.artefacts.kinds.records import Rows
from beambell.demo.reviewers import review
from beambell.feedback.imported import Imported
from beambell.project import Project
from beambell.stages.gold_rows import gold_of
from beambell.stages.import_answers import import_file
from beambell.store.files import Files
from beambell.workshop.sample import draw

FILE = "data/reviews/simulated.csv"
ROWS = 400


def simulate_reviews(project: Project, rows: int = ROWS) -> Imported:
    """Let simulated reviewers answer for rows drawn at random, write their answers to a file, and take it in.

    The same rows of the same data are drawn each time, so a second time brings nothing new.
    """
    events = list(review(_rows(project, rows), project.params.classes))
    sink = io.BytesIO()
    pyarrow.csv.write_csv(pa.Table.from_pylist(events), sink)
    Files(project.path).write(FILE, sink.getvalue())
    return import_file(project, Path(project.path / FILE))


def _rows(project: Project, n: int) -> Iterator[tuple[str, str, int, float]]:
    truth, parts = gold_of(project), draw(project, project.select(), n)
    everything = sum(rows.rows for rows in Rows.each(project.store).values())
    for part in parts:
        y = truth(part)
        ids = part.rows["id"].to_pylist()
        yield from ((part.partition.stream, ids[i], int(y[i]), n / everything) for i in np.flatnonzero(y >= 0))
