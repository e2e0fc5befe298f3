"""What the author of a labeling function sees, each figure against its definition on all rows."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from projects import change_params, run_stages, small_project

from beambell import Project
from beambell.errors import ArtefactError, UsageError
from beambell.labeling.kinds import Regex
from beambell.model.evaluation import wilson_interval
from beambell.stages.gold_rows import gold_of
from beambell.state.analysis import analyse
from beambell.store import Selection
from beambell.views.lf_views import lf_stats, show_lf
from beambell.views.views import list_lfs
from beambell.workshop import lf_trial
from beambell.workshop.lf_diff import diff_lfs
from beambell.workshop.lf_trial import try_lf
from beambell.workshop.sample import draw, excerpt

ALL = Selection()
EVERY_ROW = 10**9
LFS = "labeling_functions/spam.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = small_project(tmp_path_factory.mktemp("views"), days=2)
    run_stages(made, "ingest", "apply")
    return made


@pytest.fixture
def project(folder):
    return Project(folder)


@pytest.fixture
def edit(folder):
    """Change the project's labeling functions, and give it opened anew; the old ones come back afterwards."""
    path = folder / LFS
    before = path.read_text()

    def edit(old, new):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return Project(folder)

    yield edit
    path.write_text(before)


def stored(project, stream=None):
    """All rows, their votes (int8 [n, m]) and gold labels, read directly."""
    rows, votes, gold = [], [], []
    for part in draw(project, Selection(frozenset([stream] if stream else [])), EVERY_ROW):
        rows += [(str(part.partition), row["id"], row["text"]) for row in part.rows.to_pylist()]
        table = project.votes(part.partition.stream, part.partition.dt)
        assert table["id"].tolist() == part.rows["id"].to_pylist()
        assert (table[list(project.catalogue.names)].to_numpy() == part.stored.L).all()
        votes.append(part.stored.L)
        gold.append(gold_of(project)(part))
    return rows, np.concatenate(votes), np.concatenate(gold)


def test_a_sample_is_deterministic_proportional_and_has_its_own_votes(project):
    parts = draw(project, ALL, 100)
    again = draw(Project(project.path), ALL, 100)
    assert [part.rows for part in parts] == [part.rows for part in again]
    assert sum(part.rows.num_rows for part in parts) == 100
    total = sum(part.rows.num_rows for part in draw(project, ALL, EVERY_ROW))
    for part in parts:
        every = project.rows(part.partition.stream, part.partition.dt)
        assert part.rows.num_rows == pytest.approx(100 * len(every) / total, abs=1)
        votes = project.votes(part.partition.stream, part.partition.dt).set_index("id")
        assert (votes.loc[part.rows["id"].to_pylist()].to_numpy() == part.stored.L).all()
    with pytest.raises(UsageError, match="no stored rows"):
        draw(project, Selection(start="2030-01-01"), 10)


def test_excerpts_are_one_harmless_line():
    assert excerpt("a\nb\x1b[31mc\u202ed") == "a\\nb\\x1b[31mc\\u202ed"
    assert excerpt("x" * 100) == "x" * 100
    assert excerpt("x" * 101) == "x" * 97 + "..."
    assert excerpt("naïve 💰") == "naïve 💰"


def test_show(project):
    view = show_lf(project, "hype")
    votes = stored(project)[1][:, project.catalogue.names.index("hype")]
    assert (view.kind, view.label, view.fields, view.streams) == ("lexicon", "spam", ("text",), None)
    assert (view.votes, view.rows, view.partitions, view.errors) == ((votes >= 0).sum(), len(votes), 4, 0)
    file, _, line = view.place.partition(":")
    assert file == LFS
    assert (project.path / LFS).read_text().splitlines()[int(line) - 1] == "hype = lexicon("
    assert show_lf(project, "on_topic").source.startswith("@labeling_function(")
    assert show_lf(project, "on_topic").streams == ("comments",)
    assert show_lf(project, "warning").label is None
    with pytest.raises(UsageError, match="did you mean hype"):
        show_lf(project, "hyp")


@pytest.mark.parametrize("stream", [None, "messages"])
def test_stats_are_those_of_all_rows(project, stream):
    _, L, _ = stored(project, stream)
    names = project.catalogue.names
    expected = analyse(L, np.ones(len(L), np.int64), names)
    view = lf_stats(project, project.select([stream] if stream else None), over_time=True)
    assert (view.rows, view.coverage, view.conflicts) == (len(L), expected.coverage, expected.conflict_rate)
    assert [(lf.name, lf.votes, lf.coverage, lf.overlaps, lf.conflicts) for lf in view.lfs] == [
        (lf.name, lf.votes, lf.coverage, lf.overlaps, lf.conflicts) for lf in expected.lfs
    ]
    assert {lf.name: lf.polarity for lf in view.lfs}["short"] == ("ham",)
    assert sum(moment.rows for moment in view.over_time) == len(L)
    alone = lf_stats(project, project.select([stream] if stream else None), "short", over_time=True)
    assert alone.lfs == tuple(lf for lf in view.lfs if lf.name == "short")
    votes = sum(moment.coverage * moment.rows for moment in alone.over_time)
    assert votes == pytest.approx(alone.lfs[0].votes)


def test_stats_are_of_todays_functions_alone(project, edit):
    edited = edit('"giveaway", "gift card",', '"gift card",')
    with pytest.raises(ArtefactError, match="no partition has votes of today"):
        lf_stats(edited, ALL)


def test_a_trial_on_all_rows_is_what_was_stored(project):
    rows, L, gold = stored(project)
    j = project.catalogue.names.index("free_stuff")
    others = np.delete(L, j, axis=1)
    mine = L[:, [j]]
    both, against = (mine >= 0) & (others >= 0), (mine >= 0) & (others >= 0) & (mine != others)
    view = try_lf(project, "free_stuff", ALL, EVERY_ROW, gold=gold_of(project))
    assert (view.rows, view.partitions) == (len(L), 4)
    assert view.votes == {"spam": (mine == 1).sum()}
    assert view.coverage == (mine >= 0).mean()
    assert (view.overlaps, view.conflicts) == (both.any(axis=1).mean(), against.any(axis=1).mean())
    names = np.delete(np.array(project.catalogue.names), j)
    met = {name: (both[:, k].sum(), against[:, k].sum()) for k, name in enumerate(names) if both[:, k].any()}
    assert {one.name: (one.overlaps, one.conflicts) for one in view.neighbours} == met
    assert [one.conflicts for one in view.neighbours] == sorted((c for _, c in met.values()), reverse=True)
    known = (mine[:, 0] >= 0) & (gold >= 0)
    right = int((mine[known, 0] == gold[known]).sum())
    assert (view.precision.right, view.precision.rows) == (right, known.sum())
    assert (view.precision.low, view.precision.high) == wilson_interval(right, int(known.sum()))
    assert view.seconds_per_row > 0
    texts = {(partition, row_id): text for partition, row_id, text in rows}
    assert len(view.examples) == 10
    assert sum(bool(one.against) for one in view.examples) == 5
    assert all(one.text == excerpt(texts[one.partition, one.id]) for one in view.examples)


def test_what_is_tried_and_compared_is_what_apply_runs(edit, monkeypatch):
    edited = edit("short = length(", "rates = regex('rates', pattern=r'(\\w+\\s*)+%', label=SPAM)\nshort = length(")
    assert {view.name: view.how for view in list_lfs(edited)}["rates"] == "scan"
    texts = [text for part in draw(edited, ALL, 500) for text in part.rows["text"].to_pylist()]
    expected = sum(re.search(r"\w\s*%", text or "") is not None for text in texts)

    def searched(*_args, **_options):
        raise AssertionError("re takes seconds for a text, and apply does not use it here")

    monkeypatch.setattr(Regex, "apply", searched)
    view = try_lf(edited, "rates", ALL, 500)
    assert sum(view.votes.values()) == expected > 0
    assert 0 < view.seconds_per_row < 0.01
    (change,) = diff_lfs(edited, "rates", ALL, 500)
    assert (change.change, change.changed) == ("added", expected)


HANGS = """
from beambell.labeling import labeling_function

@labeling_function(label=1)
def hangs(row):
    while row.id != "nothing":
        pass

@labeling_function(label=1)
def shouts(row):
    return row.text.isupper()
"""


def test_what_hangs_waits_for_its_time_limit_once(folder, monkeypatch):
    monkeypatch.setattr(lf_trial, "TRIAL_S", 0.3)
    (folder / "hanging.py").write_text(HANGS)
    modules = ["labeling_functions.spam", "hanging"]
    change_params(folder, lfs={"modules": modules, "time_limit_s": 0.4})
    try:
        project = Project(folder)
        first, *others = draw(project, ALL, 40)
        view = try_lf(project, "hangs", ALL, 40)
        assert (view.rows, view.errors, view.partitions, view.untried) == (first.rows.num_rows,) * 2 + (1, len(others))
        assert (view.votes, view.messages) == ({}, {})
        assert view.stopped.place in ("hanging.py:6", "hanging.py:7")
        assert (view.stopped.partition, view.stopped.id) == (str(first.partition), first.rows["id"][0].as_py())
        assert str(view.stopped).startswith(
            "stopped after 0.3 s (the most that `lf test` allows; lfs.time_limit_s is 0.4"
        )
        changes = {change.name: change for change in diff_lfs(project, None, ALL, 40)}
        assert changes["hangs"].change == "not compared"
        assert changes["hangs"].why.startswith("stopped after 0.4 s (lfs.time_limit_s) at hanging.py:")
        assert (changes["shouts"].change, changes["shouts"].rows) == ("added", 40)
    finally:
        change_params(folder, lfs={"modules": modules[:1], "time_limit_s": 60})


def test_loading_a_file_is_not_part_of_the_trial(edit, folder, monkeypatch):
    monkeypatch.setattr(lf_trial, "TRIAL_S", 1.0)
    (folder / "words.txt").write_text("free")
    slow = """
import time
from beambell.labeling import Resource

def _read(path):
    time.sleep(1.5)
    return path.read_text()

@labeling_function(label=SPAM, resources={"word": Resource("words.txt", load=_read)})
def slow_to_load(row, word):
    return word in row.text

short = length("""
    view = try_lf(edit("short = length(", slow), "slow_to_load", ALL, 40)
    assert (view.stopped, view.errors) == (None, 0)
    assert view.seconds_per_row < 1.5 / 40


def test_a_trial_of_a_function_that_fails_or_never_votes(project, edit):
    edited = edit(
        '"""Come from an account with a serial number; a year of birth is none."""', 'row.author.index("a_b[red]")'
    )
    view = try_lf(edited, "numbered_author", ALL, 50)
    assert view.errors == view.rows == 50
    assert view.messages == {"ValueError: substring not found": 50}
    assert (view.votes, view.precision, view.examples, view.neighbours) == ({}, None, (), ())
    with pytest.raises(UsageError, match="does not vote on the selected streams"):
        try_lf(project, "broadcast", project.select(["comments"]))


def test_nothing_changed(project):
    assert diff_lfs(project, None, ALL, 100) == []
    (view,) = diff_lfs(project, "hype", ALL, 100)
    assert (view.change, view.rows) == ("unchanged", 0)
    with pytest.raises(UsageError, match="did you mean hype"):
        diff_lfs(project, "hipe", ALL, 100)


def test_a_diff_shows_every_row_whose_vote_changed(project, edit):
    before = dict(zip(project.catalogue.names, stored(project)[1].T, strict=True))
    edit('HAM if any(word in text for word in ("beware",', 'SPAM if any(word in text for word in ("beware",')
    edit('"borrow": 1,', "")
    edited = edit("short = length(", "long = regex('long', pattern='.{60}', label=SPAM)\n_short = length(")
    after = {
        name: np.concatenate([
            edited.catalogue[name].votes(part.rows.append_column("stream", [[part.partition.stream] * len(part.rows)]))
            for part in draw(edited, ALL, EVERY_ROW)
        ])
        for name in ("warning", "practical", "long")
    }  # fmt: skip
    views = {view.name: view for view in diff_lfs(edited, None, ALL, EVERY_ROW)}
    assert {name: view.change for name, view in views.items()} == {
        "warning": "edited",
        "practical": "edited",
        "long": "added",
        "short": "removed",
    }
    nothing = np.full(len(before["short"]), -1)
    words = {-1: "abstain", 0: "ham", 1: "spam"}
    for name, view in views.items():
        old, new = before.get(name, nothing), after.get(name, nothing)
        assert (view.rows, view.changed) == (len(old), (old != new).sum())
        moves = Counter(zip(old.tolist(), new.tolist(), strict=True))
        assert {(m.before, m.after): m.rows for m in view.moves} == {
            (words[a], words[b]): rows for (a, b), rows in moves.items()
        }
        assert all(one.before != one.vote for one in view.examples)
        assert len(view.examples) == min(10, view.changed)
    assert views["warning"].changed > 0
    assert "-    return HAM if" in views["warning"].source_diff
    assert "'borrow'" in views["practical"].source_diff
    assert views["warning"].before == project.catalogue.fingerprints["warning"]
    assert views["warning"].after == edited.catalogue.fingerprints["warning"]
    assert (views["short"].after, views["long"].before) == (None, None)
    assert [view.name for view in diff_lfs(edited, "warning", ALL, 50)] == ["warning"]


def test_votes_of_other_classes_are_not_compared(project, folder):
    change_params(folder, classes=["ham", "spam", "other"])
    try:
        changed = Project(folder)
        assert all(part.stored is None for part in draw(changed, ALL, 50))
        assert try_lf(changed, "hype", ALL, 50).neighbours == ()
    finally:
        change_params(folder, classes=["ham", "spam"])
