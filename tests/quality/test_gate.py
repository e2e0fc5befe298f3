"""The gate with the real Great Expectations: each check fails when it should, and only then."""

from __future__ import annotations

import json
import logging
import math
import random
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beambell.config.gate import GateParams
from beambell.errors import ArtefactError, BeamBellError
from beambell.quality import (
    Finding,
    Judgement,
    LFSummary,
    PartitionSummary,
    Verdict,
    gate_fingerprint,
    judge,
    render_html,
)
from beambell.quality.expectations import Check
from beambell.quality.validation import validate

CLASSES = ("ham", "spam")
BOUNDS = GateParams()
GOOD = PartitionSummary(
    stream="comments",
    dt="2026-01-01",
    rows=1000,
    quarantined=2,
    duplicates=3,
    covered=800,
    conflicts=100,
    dead_letters=1,
    class_shares=(0.7, 0.3),
    mean_entropy=0.4,
)
GOOD_LF = LFSummary(stream="comments", dt="2026-01-01", lf="contains_url", rows=1000, votes=200, errors=1)

# name of the case -> (what differs from GOOD, the (check, column, severity) that must fail)
PARTITION_CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "good": ({}, []),
    "no_rows": (
        {"rows": 0, "covered": 0, "conflicts": 0, "quarantined": 0, "duplicates": 0, "class_shares": ()},
        [("rows", "rows", "critical")],
    ),
    "all_quarantined": (
        {"rows": 0, "covered": 0, "conflicts": 0, "quarantined": 9, "duplicates": 0, "class_shares": ()},
        [("rows", "rows", "critical"), ("quarantined", "quarantined_share", "critical")],
    ),
    "quarantined_at_bound": ({"rows": 940, "quarantined": 50, "duplicates": 10}, []),
    "quarantined": (
        {"rows": 939, "quarantined": 51, "duplicates": 10},
        [("quarantined", "quarantined_share", "critical")],
    ),
    "duplicates_at_bound": ({"rows": 800, "quarantined": 0, "duplicates": 200}, []),
    "duplicates": (
        {"rows": 800, "quarantined": 0, "duplicates": 201},
        [("duplicates", "duplicate_share", "warning")],
    ),
    "coverage_at_bound": ({"covered": 300}, []),
    "coverage": ({"covered": 299}, [("coverage", "coverage", "critical")]),
    "nothing_covered": (
        {"covered": 0, "conflicts": 0, "class_shares": (), "mean_entropy": math.nan},
        [("coverage", "coverage", "critical")],
    ),
    "conflict_at_bound": ({"conflicts": 500}, []),
    "conflict": ({"conflicts": 501}, [("conflict", "conflict_share", "warning")]),
    "class_at_bound": ({"class_shares": (0.99, 0.01)}, []),
    "class_rare": ({"class_shares": (0.991, 0.009)}, [("class_share", "class_share_spam", "warning")]),
    "class_absent": ({"class_shares": (0.0, 1.0)}, [("class_share", "class_share_ham", "warning")]),
    "class_nan": ({"class_shares": (math.nan, 0.3)}, [("figures", "class_share_ham", "critical")]),
    "class_above_one": ({"class_shares": (0.7, 1.1)}, [("figures", "class_share_spam", "critical")]),
    "entropy_nan": ({"mean_entropy": math.nan}, [("figures", "mean_entropy", "critical")]),
    "entropy_infinite": ({"mean_entropy": math.inf}, [("figures", "mean_entropy", "critical")]),
    "entropy_of_coin": ({"mean_entropy": math.log(2)}, []),
    "entropy_too_high": ({"mean_entropy": 0.7}, [("figures", "mean_entropy", "critical")]),
    "covered_more_than_rows": ({"covered": 1001}, [("figures", "coverage", "critical")]),
    "negative_duplicates": ({"duplicates": -1}, [("figures", "duplicate_share", "critical")]),
    "two_warnings": (
        {"conflicts": 600, "class_shares": (0.995, 0.005)},
        [("conflict", "conflict_share", "warning"), ("class_share", "class_share_spam", "warning")],
    ),
}

LF_CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "lf_good": ({}, []),
    "lf_errors_at_bound": ({"errors": 10}, []),
    "lf_errors": ({"errors": 11}, [("lf_errors", "error_rate", "critical")]),
    "lf_silent": ({"votes": 0}, [("lf_silent", "heard_share", "info")]),
    "lf_silent_on_few_rows": ({"rows": 499, "votes": 0}, []),
    "lf_one_vote": ({"votes": 1}, []),
    "lf_without_rows": ({"rows": 0, "votes": 0, "errors": 0}, []),
    "lf_impossible": ({"votes": 1001}, [("figures", "vote_share", "critical")]),
}


def case_partitions() -> list[PartitionSummary]:
    return [replace(GOOD, stream=case, **changes) for case, (changes, _) in PARTITION_CASES.items()] + [
        replace(GOOD, stream=case) for case in LF_CASES
    ]


def case_lfs() -> list[LFSummary]:
    return [replace(GOOD_LF, stream=case) for case in PARTITION_CASES] + [
        lf
        for case, (changes, _) in LF_CASES.items()
        for lf in (replace(GOOD_LF, stream=case, **changes), replace(GOOD_LF, stream=case, lf="bystander"))
    ]


def canonical(judgement: Judgement) -> str:
    verdicts = {"/".join(key): verdict.to_dict() for key, verdict in judgement.verdicts.items()}
    return json.dumps([verdicts, judgement.results], allow_nan=False)


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    """One run over every case."""
    return judge(case_partitions(), case_lfs(), BOUNDS, classes=CLASSES)


@pytest.fixture
def verdict(judgement: Judgement, case: str) -> Verdict:
    return judgement.verdicts[case, "2026-01-01"]


def told(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(failure.check, failure.column, failure.severity) for failure in verdict.findings]


@pytest.mark.parametrize("case", PARTITION_CASES)
def test_partition_fails_exactly_what_it_should(verdict: Verdict, case: str) -> None:
    expected = PARTITION_CASES[case][1]
    assert told(verdict) == expected
    assert verdict.passed == all(severity != "critical" for _, _, severity in expected)
    assert all(failure.lf is None for failure in verdict.findings)


@pytest.mark.parametrize("case", LF_CASES)
def test_lf_fails_exactly_what_it_should(verdict: Verdict, case: str) -> None:
    expected = LF_CASES[case][1]
    assert told(verdict) == expected
    assert verdict.passed == all(severity != "critical" for _, _, severity in expected)
    assert all(failure.lf == "contains_url" for failure in verdict.findings)


@pytest.mark.parametrize("case", ["coverage"])
def test_failure_says_everything(verdict: Verdict) -> None:
    (failure,) = verdict.findings
    assert (failure.figure, failure.threshold) == (0.299, 0.3)
    assert failure.message == "the share of rows with a vote is 0.299; it must be at least 0.3"
    assert failure.fix


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no_rows", "the number of rows is 0; it must be above 0"),
        ("quarantined", "the share of quarantined records is 0.051; it must be at most 0.05"),
        ("class_rare", "the share of class spam is 0.009; it must be at least 0.01"),
        ("entropy_infinite", "mean_entropy is not a finite number; it must be between 0 and 0.693148"),
        ("covered_more_than_rows", "coverage is 1.001; it must be between 0 and 1"),
        ("lf_errors", "contains_url: the share of rows on which it raised is 0.011; it must be at most 0.01"),
        ("lf_silent", "contains_url: the share of rows on which it voted is 0; it must be above 0"),
    ],
)
def test_messages(verdict: Verdict, message: str) -> None:
    assert [failure.message for failure in verdict.findings] == [message]


def test_judgement_passes_only_if_all_do(judgement: Judgement) -> None:
    assert not judgement.passed
    assert replace(judgement, verdicts={("a", "b"): Verdict(True)}).passed


def test_nothing_given_imports_nothing() -> None:
    code = (
        "import sys, beambell.quality as q\n"
        "from beambell.config.gate import GateParams\n"
        "j = q.judge([], [], GateParams(), classes=('a', 'b'))\n"
        "assert j.verdicts == {} and j.results == {} and j.passed\n"
        "q.gate_fingerprint(GateParams(), ('a', 'b'))\n"
        "heavy = {'pandas', 'numpy', 'great_expectations'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_partition_without_lfs(judgement: Judgement) -> None:
    alone = judge([GOOD], [], BOUNDS, classes=CLASSES)
    assert alone.verdicts == {("comments", "2026-01-01"): Verdict(passed=True)}
    assert list(alone.results) == ["partitions"]


def test_any_order_gives_the_same_bytes(judgement: Judgement) -> None:
    partitions, lfs = case_partitions(), case_lfs()
    random.Random(3).shuffle(partitions)
    random.Random(4).shuffle(lfs)
    assert canonical(judge(partitions, lfs, BOUNDS, classes=CLASSES)) == canonical(judgement)


@pytest.mark.parametrize("case", ["good", "all_quarantined", "two_warnings", "class_nan", "lf_errors", "lf_impossible"])
def test_judged_alone_is_judged_the_same(verdict: Verdict, case: str) -> None:
    partitions = [summary for summary in case_partitions() if summary.stream == case]
    lfs = [summary for summary in case_lfs() if summary.stream == case]
    assert judge(partitions, lfs, BOUNDS, classes=CLASSES).verdicts == {(case, "2026-01-01"): verdict}


def test_result_is_great_expectations_own_without_time_or_chance(judgement: Judgement) -> None:
    for name, result in judgement.results.items():
        text = json.dumps(result, allow_nan=False)
        assert result["suite_name"] == name
        assert result["success"] is False
        assert result["statistics"]["evaluated_expectations"] == len(result["results"])
        for word in ("run_id", "run_time", "validation_time", "validation_id", "ge_load_time", '"id"', "filter(items"):
            assert word not in text
    counts = {
        (each["expectation_config"]["meta"]["check"], each["expectation_config"]["kwargs"]["column"]): each["result"][
            "unexpected_count"
        ]
        for each in judgement.results["partitions"]["results"]
    }
    assert counts["conflict", "conflict_share"] == 2
    assert counts["rows", "rows"] == 2


def test_verdicts_survive_json(judgement: Judgement) -> None:
    for verdict in judgement.verdicts.values():
        assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict(), allow_nan=False))) == verdict


def test_figures_are_rounded_and_unknown_ones_none(judgement: Judgement) -> None:
    def only(case: str) -> Finding:
        (failure,) = judgement.verdicts[case, "2026-01-01"].findings
        return failure

    assert only("quarantined").figure == 0.051
    assert only("duplicates").figure == float(f"{201 / 1001:.6g}")
    assert only("entropy_nan").figure is None
    assert only("entropy_infinite").figure is None


def test_many_failures_are_all_told() -> None:
    """Great Expectations shortens some of its lists of unexpected values; verdicts must not depend on them."""
    bad = [replace(GOOD, dt=f"bad{i}", covered=0, class_shares=()) for i in range(300)]
    good = [replace(GOOD, dt=f"good{i}") for i in range(3)]
    verdicts = judge(good + bad, [], BOUNDS, classes=CLASSES).verdicts
    assert len(verdicts) == 303
    for (_, dt), verdict in verdicts.items():
        assert told(verdict) == ([("coverage", "coverage", "critical")] if dt.startswith("bad") else [])


def test_thresholds_are_obeyed() -> None:
    lenient = GateParams(min_coverage=0.0, max_conflict=1.0, min_class_share=0.0)
    partition = replace(GOOD, covered=0, class_shares=())
    every_row = replace(GOOD, stream="other", covered=1000, conflicts=1000, class_shares=(1.0, 0.0))
    assert all(not v.findings for v in judge([partition, every_row], [], lenient, classes=CLASSES).verdicts.values())


def test_contradicting_summaries_are_refused() -> None:
    with pytest.raises(ArtefactError, match="comments/2026-01-01: summarised twice"):
        judge([GOOD, GOOD], [], BOUNDS, classes=CLASSES)
    with pytest.raises(ArtefactError, match="comments/2026-01-01/contains_url: summarised twice"):
        judge([GOOD], [GOOD_LF, GOOD_LF], BOUNDS, classes=CLASSES)
    with pytest.raises(ArtefactError, match="labels have 2 classes, the project has 3"):
        judge([GOOD], [], BOUNDS, classes=("a", "b", "c"))
    with pytest.raises(ArtefactError, match="not judged"):
        judge([GOOD], [replace(GOOD_LF, dt="2026-01-02")], BOUNDS, classes=CLASSES)


def test_what_cannot_be_evaluated_does_not_pass() -> None:
    import pandas as pd

    frame = pd.DataFrame({"stream": ["a"], "dt": ["b"]})
    check = Check("coverage", "no_such_column", "coverage", "warning", "", low=0.0)
    with pytest.raises(BeamBellError, match="could not evaluate"):
        validate("partitions", frame, ("stream", "dt"), [check])


def test_fingerprint_follows_bounds_and_classes() -> None:
    fingerprint = gate_fingerprint(BOUNDS, CLASSES)
    assert fingerprint == gate_fingerprint(GateParams(), list(CLASSES))
    assert fingerprint != gate_fingerprint(BOUNDS.model_copy(update={"min_coverage": 0.31}), CLASSES)
    assert fingerprint != gate_fingerprint(BOUNDS, ("ham", "eggs"))


def test_page_is_rendered_from_stored_result(judgement: Judgement) -> None:
    stored = json.loads(json.dumps(judgement.results["labeling_functions"]))
    page = render_html(stored)
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert "error_rate" in page
    assert "lf_silent" in page
    assert stored == judgement.results["labeling_functions"]


def test_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("great_expectations")
    before = (list(warnings.filters), warnings.showwarning, logger.propagate, logger.level, list(logger.handlers))
    with caplog.at_level(logging.DEBUG):
        results = judge(case_partitions(), case_lfs(), BOUNDS, classes=CLASSES).results
        for result in results.values():
            render_html(result)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name.startswith("great_expectations")]
    after = (list(warnings.filters), warnings.showwarning, logger.propagate, logger.level, list(logger.handlers))
    assert after == before


def test_first_import_is_silent_too(tmp_path: Path) -> None:
    """In a fresh process: nothing on the terminal, no file, and warnings go where they went before."""
    code = (
        "import logging, os, warnings\n"
        "shown = warnings.showwarning\n"
        "from beambell.config.gate import GateParams\n"
        "from beambell.quality import PartitionSummary, judge\n"
        "part = PartitionSummary('s', 'd', 9, 0, 0, 9, 1, 0, (0.5, 0.5), 0.5)\n"
        "assert judge([part], [], GateParams(), classes=('a', 'b')).passed\n"
        "assert warnings.showwarning is shown\n"
        "logging.captureWarnings(True)\n"
        "assert warnings.showwarning is not shown, 'logging must not think that it captures already'\n"
        "assert os.environ['GX_ANALYTICS_ENABLED'] == 'false'\n"
    )
    root = Path(__file__).parents[2]
    env = {"PYTHONPATH": str(root), "HOME": str(tmp_path), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
