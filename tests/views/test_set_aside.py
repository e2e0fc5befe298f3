"""What was set aside is counted in full, filtered, and shown without being obeyed."""

from __future__ import annotations

import json

import pytest
from projects import change_params, run_stages

from beambell import Project
from beambell.cli import main
from beambell.errors import UsageError
from beambell.store import Selection
from beambell.views.set_aside import list_dead_letters, list_quarantine
from beambell.workshop.starter import start

FAILING = '''
from beambell.labeling import labeling_function


@labeling_function(fields=("text", "attachments"), label=1)
def many(row):
    """Divide by what may be zero."""
    return 4 / row.attachments > 3
'''


@pytest.fixture(scope="module")
def aside(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aside") / "p"
    start(folder)
    raw = folder / "data/raw/mails/2026-01-05.csv"
    raw.write_text(
        "mail_id,received_at,sender,attachments,text\n"
        "x1,yesterday,ann,1,a \x1b[31mred\x1b[0m record\n"
        "x2,2026-01-05T08:00:00Z,ann,many,no number\n"
        "x3,2026-01-05T09:00:00Z,ann,1,fine\n"
    )
    with (folder / "labeling_functions/mails.py").open("a") as file:
        file.write(FAILING)
    change_params(folder, gate={"max_quarantined": 1.0, "max_lf_errors": 1.0})
    run_stages(folder, "ingest", "apply")
    return folder


def test_every_record_is_counted_and_some_are_shown(aside):
    project = Project(aside)
    view = list_quarantine(project, Selection(), codes=[], files=[], limit=1)
    assert (view.records, view.not_kept, len(view.shown)) == (2, 0, 1)
    assert view.codes == {"bad_time": 1, "bad_value": 1}
    assert (view.shown[0].line, view.shown[0].code) == (2, "bad_time")
    assert "yesterday" in view.shown[0].raw


@pytest.mark.parametrize(
    ("asked", "records"),
    [
        ({"codes": ["bad_value"]}, 1),
        ({"files": ["*/2026-01-03.csv"]}, 0),
        ({"files": ["data/raw/mails/2026-01-05.csv"]}, 2),
        ({"selection": Selection(end="2026-01-04")}, 0),
        ({"selection": Selection(start="2026-01-05")}, 2),
        ({"selection": Selection(frozenset({"other"}))}, 0),
    ],
)
def test_filters(aside, asked, records):
    asked = {"selection": Selection(), "codes": [], "files": [], "limit": 9, **asked}
    view = list_quarantine(Project(aside), asked.pop("selection"), **asked)
    assert view.records == len(view.shown) == records


def test_failed_votes_are_counted_by_lf_and_error(aside):
    project = Project(aside)
    view = list_dead_letters(project, Selection(), lfs=[], limit=3)
    failed = sum(len(project.dead_letters("mails", f"2026-01-0{day}")) for day in (1, 2, 3, 5))
    assert view.failed == failed == view.lfs["many"]["ZeroDivisionError"] > 3
    assert len(view.shown) == 3
    assert "row.attachments" in view.shown[0].traceback
    assert list_dead_letters(project, Selection(start="2026-01-05"), lfs=["many"], limit=3).failed == 0


def test_what_is_not_there_is_named(aside):
    with pytest.raises(UsageError, match="no reason"):
        list_quarantine(Project(aside), Selection(), codes=["odd"], files=[], limit=1)
    with pytest.raises(UsageError, match="no labeling function 'odd'"):
        list_dead_letters(Project(aside), Selection(), lfs=["odd"], limit=1)


@pytest.mark.parametrize("command", ["quarantine", "dead-letters"])
def test_the_commands(aside, capsys, command):
    for words in ([], ["--json"], ["--limit", "0"]):
        with pytest.raises(SystemExit) as exit_:
            main([command, "--project", str(aside), *words])
        out = capsys.readouterr().out
        assert exit_.value.code == 0
        assert "\x1b[31m" not in out
        if "--json" in words:
            assert json.loads(out)["shown"]
        elif not words:
            assert {"quarantine": "bad_time", "dead-letters": "ZeroDivisionError"}[command] in out
