"""Ordinary failures of a day, upstream and at a desk, on the demo: each is found, named, and blocked or warned of."""

from __future__ import annotations

import csv
import io
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import run_stages, small_project

from beambell import Project
from beambell.demo import generate
from beambell.errors import GateError
from beambell.quality.verdict import Verdict
from beambell.store import Layout, Partition

pytestmark = pytest.mark.heavy
DAYS, SCALE = 10, 0.3
DAY, BEFORE, AFTER = "2026-01-11", "2026-01-10", "2026-01-12"
TO_VERDICT = ("ingest", "feedback", "aggregate", "apply", "screen", "merge", "count", "fit", "label", "validate")
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Ten clean days, run, and the files of the eleventh beside them; not to be changed."""
    folder = tmp_path_factory.mktemp("clean")
    project = small_project(
        folder / "project", days=DAYS, scale=SCALE, label_model={"kind": "dawid_skene", "options": {}}
    )
    run_stages(project)
    generate(folder / "raw", days=DAYS + 1, scale=SCALE)
    return folder


@pytest.fixture
def project(clean, tmp_path):
    return Path(shutil.copytree(clean / "project", tmp_path / "project"))


def deliver(clean: Path, project: Path, mend: Callable[[Rows], Rows] = lambda rows: rows, *, name: str = DAY) -> None:
    """Deliver the eleventh day: messages as they are, comments with a failure."""
    raw = project / "data" / "raw"
    shutil.copy(clean / "raw" / "messages" / f"{DAY}.jsonl", raw / "messages")
    text = (clean / "raw" / "comments" / f"{DAY}.csv").read_text(errors="replace")
    rows = mend(list(csv.DictReader(io.StringIO(text))))
    with (raw / "comments" / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def judge(project: Path) -> tuple[Verdict, dict[str, Any]]:
    """Run to the verdict; return that of the day's comments, and what validate tells."""
    try:
        told = {"warnings": run_stages(project, *TO_VERDICT)["validate"].warnings}
    except GateError as error:
        told = {"warnings": (error.details or {}).get("warnings", ()), "streams": (error.details or {})["streams"]}
    judged = Project(project).store.read(Layout.of(Layout.VERDICTS, Partition("comments", DAY)))
    return Verdict.from_dict(judged.facts) if judged else Verdict(True), told


def each(**changes: Callable[[str], str]) -> Callable[[Rows], Rows]:
    return lambda rows: [{**row, **{name: change(row[name] or "") for name, change in changes.items()}} for row in rows]


def ids(rows: Rows, mark: str) -> Rows:
    return [{**row, "comment_id": f"{mark}{number}"} for number, row in enumerate(rows)]


def half(rows: Rows) -> Rows:
    return [{**row, "author": ""} if number % 2 else row for number, row in enumerate(rows)]


FAILURES: dict[str, tuple[Callable[[Rows], Rows], str, bool]] = {
    "70 % of a day missing": (lambda rows: rows[: int(len(rows) * 0.3)], "volume", False),
    "a third of a day missing": (lambda rows: rows[: int(len(rows) * 0.6)], "volume", True),
    "a day three times": (lambda rows: rows + ids(rows, "x") + ids(rows, "y"), "repeats", False),
    "text empty": (each(text=lambda _: ""), "text", False),
    "text cut": (each(text=lambda text: text[:12]), "text", False),
    "another alphabet": (each(text=lambda text: "сообщение " + text), "text", False),
    "one text many times": (lambda rows: rows + ids([rows[3]] * 1500, "again"), "repeats", False),
    "only spam": (
        lambda rows: [row for row in rows if "http" in row["text"] or "!" in row["text"]],
        "class_votes_share",
        False,
    ),
    "a field half missing": (half, "missing", False),
    "a field missing": (each(video=lambda _: ""), "missing", False),
    "text in capitals": (each(text=str.upper), "lf_fired", True),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_of_a_day_is_found(clean, project, failure):
    mend, check, passes = FAILURES[failure]
    deliver(clean, project, mend)
    verdict, _ = judge(project)
    assert check in {finding.check for finding in verdict.told}
    assert verdict.passed == passes


def test_a_clean_day_has_no_warning(clean, project):
    deliver(clean, project)
    verdict, told = judge(project)
    assert verdict.told == ()
    assert not [warning for warning in told["warnings"] if "findings of before" not in warning]


def test_the_clean_days_have_one_finding_at_most(clean):
    store = Project(clean / "project").store
    verdicts = {p: Verdict.from_dict(judged.facts) for p, judged in store.partitions(Layout.VERDICTS).items()}
    assert all(verdict.passed for verdict in verdicts.values())
    assert sum(len(verdict.told) for verdict in verdicts.values()) <= 1


def test_a_day_again_under_new_ids_is_found(clean, project):
    old = (clean / "project" / "data" / "raw" / "comments" / f"{BEFORE}.csv").read_text(errors="replace")
    deliver(clean, project, lambda _: ids(list(csv.DictReader(io.StringIO(old.replace(BEFORE, DAY)))), "again"))
    verdict, _ = judge(project)
    assert "same_again" in {finding.check for finding in verdict.critical}


def test_times_a_day_ahead_are_named(clean, project):
    deliver(clean, project, each(created_at=lambda time: time.replace(DAY, AFTER)))
    verdict, told = judge(project)
    gap = any(warning.startswith("stream comments: ") and DAY in warning for warning in told["warnings"])
    assert gap or "volume" in {finding.check for finding in verdict.critical}  # a few rows came the day before


def test_a_stream_that_stops_is_named(clean, project):
    shutil.copy(clean / "raw" / "messages" / f"{DAY}.jsonl", project / "data" / "raw" / "messages")
    _, told = judge(project)
    assert any(f"the stream stopped: its last partition is {BEFORE}" in warning for warning in told["warnings"])


def edit(project: Path, pattern: str, replacement: str) -> None:
    """Edit the labeling functions, as somebody at a desk would."""
    path = project / "labeling_functions" / "spam.py"
    text, times = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.DOTALL)
    assert times == 1
    path.write_text(text)


def lf_findings(project: Path) -> dict[str, set[str]]:
    """Checks that complain of labeling functions, by function, over all partitions."""
    found: dict[str, set[str]] = {}
    for judged in Project(project).store.partitions(Layout.VERDICTS).values():
        for finding in Verdict.from_dict(judged.facts).told:
            if finding.lf:
                found.setdefault(finding.lf, set()).add(finding.check)
    return found


def test_a_function_that_flips_its_class_is_named_and_weighs_nothing(clean, project):
    deliver(clean, project)
    edit(project, r'("shortened".*?|"hype".*?)label=SPAM', r"\1label=HAM")
    judge(project)
    found = {lf for lf, checks in lf_findings(project).items() if "lf_agreement" in checks}
    assert found
    model = Project(project).store.read(Layout.LABEL_MODEL)
    assert found.isdisjoint(model.facts["lfs"])


def test_answers_of_one_reviewer_do_not_turn_all_of_history(clean, project):
    deliver(clean, project)
    judge(project)
    opened, rng, lines = Project(project), random.Random(1), ["stream,row_id,label,reviewer,time"]
    for partition in opened.store.partitions(Layout.LABELS):
        labels = opened.labels(partition.stream, partition.dt)
        for row in labels.sample(min(40, len(labels)), random_state=rng.randrange(99)).itertuples():
            if row.label >= 0:
                wrong = ("ham", "spam")[1 - row.label]
                lines.append(f"{partition.stream},{row.id},{wrong},mallory,2026-01-12T00:00:00Z")
    reviews = project / "data" / "reviews"
    reviews.mkdir(exist_ok=True)
    (reviews / "mallory.csv").write_text("\n".join(lines))
    before = {p: labels.files for p, labels in opened.store.partitions(Layout.LABELS).items()}
    judge(project)
    after = {p: labels.files for p, labels in Project(project).store.partitions(Layout.LABELS).items()}
    assert after == before
    verdicts = Project(project).store.partitions(Layout.VERDICTS).values()
    assert "churn" in {finding.check for one in verdicts for finding in Verdict.from_dict(one.facts).critical}
