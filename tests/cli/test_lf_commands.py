"""The loop of an author of labeling functions, as a user types it: new, test, diff, stats, show."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from projects import REPOSITORY, change_params, run_stages, small_project

from beambell import Project
from beambell.cli import main
from beambell.workshop.scaffold import KINDS

MODULE = "labeling_functions/spam.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = small_project(tmp_path_factory.mktemp("lf"), days=1)
    run_stages(made, "ingest", "apply")
    return made


def run(capsys, folder, *words):
    """Run ``beambell lf WORDS`` in this process; gives exit code, stdout and stderr."""
    code = 0
    try:
        main(["lf", *words, "--project", str(folder)])
    except SystemExit as exit_:
        code = exit_.code or 0
    return code, *capsys.readouterr()


@pytest.fixture
def lf(folder, capsys):
    """Run ``beambell lf WORDS`` in this process; gives exit code, stdout and stderr. Edits are undone afterwards."""
    before = {path: path.read_text() for path in (folder / MODULE, folder / "params.yaml")}

    def lf(*words):
        return run(capsys, folder, *words)

    yield lf
    for path, text in before.items():
        path.write_text(text)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["show", "hype"], ["lexicon", "trust and safety", "spam.py:", "'guaranteed': 2.0", "votes on"]),
        (["stats"], ["hype", "polarity", "have a vote"]),
        (["stats", "hype", "--over-time", "--stream", "messages"], ["messages/2026-01-01", "of 1 partitions"]),
        (["test", "free_stuff", "--sample", "200"], ["200 rows of 2 partitions", "precision", "µs per row", "spam"]),
        (["diff"], ["nothing changed"]),
        (["diff", "hype"], ["is what was applied"]),
    ],
)
def test_what_people_read(lf, words, shown):
    code, out, err = lf(*words)
    assert (code, err) == (0, "")
    for text in shown:
        assert text in out
    code, out, err = lf(*words, "--json")
    assert code == 0
    json.loads(out)


def test_what_a_module_prints_is_not_in_the_result(lf, folder):
    path = folder / MODULE
    path.write_text(path.read_text() + "\nprint('loading words')\n")
    code, out, err = lf("list", "--json")
    assert (code, err) == (0, "loading words\n")
    assert json.loads(out)


def test_text_from_data_is_not_markup(lf, folder):
    path = folder / MODULE
    path.write_text(
        path.read_text().replace(
            '"""Mention something from the title of the video."""', "return row.text[:0] + '[bold]'"
        )
    )
    code, out, _ = lf("test", "on_topic", "--sample", "20")
    assert code == 1
    assert "returned '[bold]' (str)" in out
    assert "+    return row.text[:0] + '[bold]'" in lf("diff", "on_topic", "--sample", "20")[1]


FORGETS = """
from beambell.labeling import ABSTAIN, labeling_function

@labeling_function()
def forgets(row):
    {body}
"""


def test_errors_are_told_whole(lf, folder):
    module = folder / "forgetful.py"
    module.write_text(FORGETS.format(body="return None"))
    change_params(folder, lfs={"modules": ["labeling_functions.spam", "forgetful"]})
    code, out, err = lf("test", "forgets", "--sample", "50")
    told = "labeling function 'forgets': returned None (NoneType), which is not the number of a class"
    fix = "what to do: return a class, or ABSTAIN where it has nothing to say"
    assert f"50 rows: LabelingFunctionError: {told}\n{' ' * 15}{fix}\n" in out
    assert code == 1
    assert f"it failed on each of the 50 rows it was tried on: LabelingFunctionError: {told}" in err
    code, out, _ = lf("test", "forgets", "--sample", "50", "--json")
    failure = json.loads(out)
    assert (code, failure["kind"], failure["where"]) == (
        1,
        "LabelingFunctionError",
        "labeling function 'forgets'",
    )
    assert failure["details"]["messages"] == {f"LabelingFunctionError: {told}\n  {fix}": 50}
    module.write_text(FORGETS.format(body="return None if len(row.text) % 2 else ABSTAIN"))
    assert lf("test", "forgets", "--sample", "50")[0] == 0
    module.write_text(FORGETS.format(body="raise KeyError(row.id)"))
    code, out, _ = lf("test", "forgets", "--sample", "50")
    assert "and 45 more messages (see --json)" in out


def test_a_trial_that_is_stopped_exits_with_1(lf, folder):
    (folder / "forgetful.py").write_text(FORGETS.format(body="while row: pass"))
    change_params(folder, lfs={"modules": ["labeling_functions.spam", "forgetful"], "time_limit_s": 0.2})
    code, out, err = lf("test", "forgets", "--sample", "50")
    assert code == 1
    assert "time       stopped after 0.2 s (lfs.time_limit_s) at forgetful.py:6, in row " in out
    assert "the other 1 partitions were not tried" in out
    assert "stopped after 0.2 s (lfs.time_limit_s) at forgetful.py:6" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "hipe"], "did you mean hype"),
        (["test", "nobody"], "there is no labeling function 'nobody'"),
        (["diff", "hipe"], "did you mean hype"),
        (["stats", "hype", "--stream", "mails"], "there is no stream 'mails'"),
        (["test", "hype", "--from", "2030-01-01"], "no stored rows"),
        (["test", "hype", "--sample", "0"], "Invalid value for '--sample'"),
        (["new", "hype", "--kind", "keyword"], "there is a labeling function 'hype' already"),
        (["new", "HAM", "--kind", "keyword"], "uses the name 'HAM' already"),
        (["new", "class", "--kind", "keyword"], "'class' cannot be a name"),
        (["new", "a-b", "--kind", "keyword"], "'a-b' cannot be a name"),
        (["new", "a", "--kind", "keywords"], "there is no kind 'keywords'"),
        (["new", "a", "--kind", "keyword", "--module", "mine"], "'mine' is not one of lfs.modules"),
    ],
)
def test_wrong_usage_exits_with_2_and_changes_nothing(lf, folder, words, message):
    before = (folder / MODULE).read_text()
    code, _, err = lf(*words)
    assert code == 2
    assert message in err
    assert (folder / MODULE).read_text() == before


def test_every_template_loads_applies_and_votes_for_nothing(lf, folder):
    before = (folder / MODULE).read_text()
    for kind in KINDS:
        code, out, err = lf("new", f"my_{kind}", "--kind", kind)
        assert (code, err) == (0, "")
        assert f"beambell lf test my_{kind}" in out
    assert (folder / MODULE).read_text().endswith("the vote is the label\n")
    project = Project(folder)
    assert {lf.kind for lf in project.catalogue if lf.name.startswith("my_")} == set(KINDS)
    code, out, _ = lf("diff", "--json")
    assert code == 0
    added = {view["name"]: (view["change"], view["changed"]) for view in json.loads(out)}
    assert {change for change, _ in added.values()} == {"added"}
    assert sum(changed for _, changed in added.values()) == 0
    assert project.catalogue["my_numeric"].streams is not None
    assert project.catalogue["my_lookup"].fields == ("author",)
    assert {lf.label for lf in project.catalogue if lf.name.startswith("my_")} == {1}
    text = (folder / MODULE).read_text()
    assert "from beambell.labeling import batch_labeling_function\n" in text
    assert text.count("import labeling_function") == before.count("import labeling_function")
    checked = [sys.executable, "-m", "ruff", "check", "--select=F,E,B", "--config", str(REPOSITORY / "pyproject.toml")]
    subprocess.run([*checked, str(folder / MODULE)], check=True, capture_output=True)


def test_a_module_of_ones_own(lf, folder):
    (folder / "mine.py").write_text('"""Mine."""')
    change_params(folder, lfs={"modules": ["labeling_functions.spam", "mine"]})
    code, out, _ = lf("new", "greeting", "--kind", "regex", "--module", "mine", "--json")
    assert code == 0
    assert json.loads(out)["place"] == "mine.py:6"
    assert (
        (folder / "mine.py")
        .read_text()
        .startswith('"""Mine."""\n\nfrom beambell.labeling import regex\n\n\ngreeting = ')
    )
    assert "label=1" in (folder / "mine.py").read_text()


@pytest.fixture(scope="module")
def unapplied(tmp_path_factory):
    """A project with two days of rows, and votes on none of them."""
    made = small_project(tmp_path_factory.mktemp("unapplied"), days=2)
    run_stages(made, "ingest")
    return made


def test_what_was_not_applied_yet_is_not_known(unapplied, capsys):
    code, out, _ = run(capsys, unapplied, "test", "hype")
    assert (code, "others     not known yet: none are applied to these rows (`beambell apply`)" in out) == (0, True)
    view = json.loads(run(capsys, unapplied, "test", "hype", "--json")[1])
    assert (view["applied"], view["overlaps"], view["conflicts"], view["neighbours"]) == (0, None, None, [])
    code, out, _ = run(capsys, unapplied, "diff", "hype")
    assert (code, out) == (0, "hype was not applied to these rows yet: run `beambell apply`\n")
    assert json.loads(run(capsys, unapplied, "diff", "hype", "--json")[1])[0]["change"] == "not applied"
    out = run(capsys, unapplied, "diff")[1]
    assert out == "the labeling functions were not applied to these rows yet: run `beambell apply`\n"
    run_stages(unapplied, "apply", end="2026-01-01")
    assert run(capsys, unapplied, "diff", "hype")[1] == "hype is what was applied\n"
    view = json.loads(run(capsys, unapplied, "test", "hype", "--json")[1])
    assert 0 < view["applied"] < view["rows"]
    first_day = json.loads(run(capsys, unapplied, "test", "hype", "--json", "--to", "2026-01-01")[1])
    assert (view["overlaps"], view["conflicts"]) == (first_day["overlaps"], first_day["conflicts"])
    assert f"of the {view['applied']} rows they are applied to" in run(capsys, unapplied, "test", "hype")[1]


REMEMBERS = """
from beambell.labeling import keyword, labeling_function, stateful_labeling_function
from beambell.labeling.aggregates import count

@stateful_labeling_function(key="author", aggregate=count(), label=1, streams=("comments",))
def often(row, past):
    return past >= 1
"""


def test_one_whose_past_is_not_there_yet_is_named_and_the_others_are_compared(tmp_path, capsys):
    folder = small_project(tmp_path / "project", days=2)
    run_stages(folder, "ingest", "apply")
    (folder / "remembering.py").write_text(REMEMBERS)
    change_params(folder, lfs={"modules": ["labeling_functions.spam", "remembering"]})
    code, _, err = run(capsys, folder, "test", "often")
    assert code == 1
    assert "labeling function 'often': the aggregate of earlier rows that it votes by is not up to date" in err
    assert "run `beambell aggregate`" in err
    code, out, _ = run(capsys, folder, "diff")
    assert code == 1
    assert "often cannot be compared: the aggregate of earlier rows that it votes by is not up to date" in out
    with (folder / "remembering.py").open("a") as file:
        file.write('\nbrief = keyword("brief", any_of=["free"], label=1)\n')
    code, out, _ = run(capsys, folder, "diff")
    assert code == 0
    assert -1 < out.index("brief added: ") < out.index("often cannot be compared")
    code, out, _ = run(capsys, folder, "diff", "--json")
    assert code == 0
    assert [(view["name"], view["change"]) for view in json.loads(out)] == [
        ("brief", "added"),
        ("often", "not compared"),
    ]
    assert json.loads(out)[1]["why"].endswith("is not up to date; run `beambell aggregate`")
    run_stages(folder, "aggregate")
    assert run(capsys, folder, "test", "often")[0] == 0
    assert {view["change"] for view in json.loads(run(capsys, folder, "diff", "--json")[1])} == {"added"}


def test_list_says_how_python_is_called(lf):
    lf("new", "by_batches", "--kind", "batch")
    out = lf("list")[1]
    assert "python (by batch)" in next(line for line in out.splitlines() if line.startswith(" by_batches "))
    assert "python (by row)" in next(line for line in out.splitlines() if line.startswith(" on_topic "))


FAILS = """
from beambell.labeling import ABSTAIN, labeling_function

@labeling_function(streams=("comments",))
def fails(row):
    if row.id[0] in "01":
        raise KeyError(row.id)
    if row.id[0] in "23":
        return "[spam]"
    if row.id[0] in "4567":
        return int(row.id[:1])
    return ABSTAIN
"""


def test_show_lists_what_went_wrong(tmp_path, capsys):
    folder = small_project(tmp_path / "project", days=2)
    (folder / "failing.py").write_text(FAILS)
    change_params(folder, lfs={"modules": ["failing"]})
    stages = run_stages(folder, "ingest", "apply")
    assert any(warning.endswith("(see `beambell lf show fails`)") for warning in stages["apply"].warnings)
    project = Project(folder)
    days = [project.dead_letters("comments", f"2026-01-0{day}") for day in (1, 2)]
    failed = sum(len(day) for day in days)
    view = json.loads(run(capsys, folder, "show", "fails", "--json")[1])
    assert view["errors"] == failed
    assert (len(view["failures"]), view["more_failures"]) == (5, 1)
    by_message = {one["message"]: one for one in view["failures"]}
    assert len(by_message) == 5
    (key_error,) = (one for one in view["failures"] if one["error"] == "KeyError")  # each with the id of its row
    assert key_error["rows"] == sum((day["error"] == "KeyError").sum() for day in days)
    newest = days[1][days[1]["error"] == "KeyError"]
    assert key_error["partition"] == "comments/2026-01-02"
    assert key_error["id"] in set(newest["id"])
    assert "failing.py:7 in fails\n    raise KeyError(row.id)" in key_error["traceback"]
    (text,) = (one for message, one in by_message.items() if "returned '[spam]' (str)" in message)
    assert text["rows"] == sum(day["message"].str.contains("[spam]", regex=False).sum() for day in days)
    out = run(capsys, folder, "show", "fails")[1]
    assert f"  {text['rows']} rows, such as {text['id']} of comments/2026-01-02\n    LabelingFunctionError: " in out
    assert "returned '[spam]' (str), which is not the number of a class\n      what to do: return a class" in out
    assert "      failing.py:7 in fails\n          raise KeyError(row.id)" in out
    assert "and 1 more" in out
    (folder / "failing.py").write_text(FAILS.replace("KeyError", "ValueError"))
    assert f"(by the earlier version {view['fingerprint'][:16]})" in run(capsys, folder, "show", "fails")[1]


def test_new_needs_a_python_module(lf, folder):
    (folder / "lfs.yaml").write_text("- {kind: length, name: brief, max: 5, label: ham}\n")
    change_params(folder, lfs={"modules": [], "files": ["lfs.yaml"]})
    code, _, err = lf("new", "greeting", "--kind", "regex")
    assert code == 2
    assert "names no Python module" in err
    code, out, _ = lf("show", "brief")
    assert "lfs.yaml:1" in out
    code, out, _ = lf("diff", "brief", "--json")
    assert json.loads(out)[0]["change"] == "added"
