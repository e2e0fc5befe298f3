"""Whatever happens to partitions, LFs, policy and feedback, and whoever dies: the state is as made from scratch.

Deaths are real: a process that merges, or that publishes votes, is killed just before one of its writes.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from killing import call_and_die, run_merge
from projects import run_stages
from synthetic import LFS, draw, make_project, partition, vote, vote_in, write_lfs
from synthetic import remove as remove_partition

from beambell import Project
from beambell.artefacts.gc import find_garbage, remove_garbage
from beambell.artefacts.stored import log_of, read_counts
from beambell.artefacts.verify import verify
from beambell.stages import merge
from beambell.stages.feedback import add_event
from beambell.stages.order import stage_named
from beambell.stages.sums import day_of
from beambell.store import Layout, Manifest, Partition

days = st.integers(0, 25)
streams = st.sampled_from(["comments", "messages"])
seeds = st.integers(0, 5)
labels = st.sampled_from(["ham", "spam"])
reviewers = st.sampled_from(["ada", "bob", "eve"])
policies = st.sampled_from(
    [
        {"policy": "all"},
        {"policy": "window", "days": 7},
        {"policy": "decay", "half_life_days": 1},
        {"policy": "decay", "half_life_days": 3},
        {"policy": "all", "max_patterns": 6},
        {"policy": "window", "days": 4, "max_patterns": 6},
        {"policy": "decay", "half_life_days": 2, "max_patterns": 6},
    ]
)


class Schedule(RuleBasedStateMachine):
    """A history of a project, drawn step by step.

    Parameters
    ----------
    processes
        Where to start those that are to die.
    """

    def __init__(self, processes: BaseContext) -> None:
        super().__init__()
        self.processes = processes
        self.folder = make_project(Path(tempfile.mkdtemp()) / "project")
        self.versions = dict.fromkeys(LFS, 0)
        self.seeds: dict[Partition, int] = {}
        self.behind: set[Partition] = set()
        self.reviewed: set[tuple[Partition, int]] = set()
        self.consensus: Manifest | None = None
        self.policy: dict[str, object] = {"policy": "all"}

    def teardown(self) -> None:
        shutil.rmtree(self.folder.parent)

    @property
    def project(self) -> Project:
        return Project(self.folder)

    # -- what may happen ---------------------------------------------------------------------------------------

    @rule(stream=streams, day=days, seed=seeds)
    def arrives_or_is_replaced(self, stream: str, day: int, seed: int) -> None:
        where = partition(stream, day)
        vote(self.project, where, seed)
        self.seeds[where] = seed
        self.behind.discard(where)

    @rule(day=days)
    def a_run_of_days_arrives(self, day: int) -> None:
        for step in range(4):
            self.arrives_or_is_replaced("comments", day + step, step)

    @precondition(lambda self: self.seeds)
    @rule(data=st.data())
    def is_removed(self, data: st.DataObject) -> None:
        where = data.draw(st.sampled_from(sorted(self.seeds)))
        remove_partition(self.project, where)
        del self.seeds[where]
        self.behind.discard(where)

    @rule(name=st.sampled_from(LFS), version=st.integers(0, 1))
    def an_lf_is_edited(self, name: str, version: int) -> None:
        if self.versions.get(name) != version:
            self.versions[name] = version
            self._lfs_changed()

    @precondition(lambda self: len(self.versions) > 2)
    @rule(name=st.sampled_from(LFS))
    def an_lf_is_removed(self, name: str) -> None:
        if self.versions.pop(name, None) is not None:
            self._lfs_changed()

    def _lfs_changed(self) -> None:
        write_lfs(self.folder, self.versions)
        self.behind = {where for where, voted in self._votes().items() if voted != self._lfs()}

    def _votes(self) -> dict[Partition, str]:
        return {where: m.inputs["lfs"] for where, m in self.project.store.partitions(Layout.VOTES).items()}

    def _lfs(self) -> str:
        return merge.find_work(self.project).inputs["lfs"]

    @precondition(lambda self: self.behind)
    @rule(data=st.data())
    def one_is_brought_up_to_date(self, data: st.DataObject) -> None:
        where = data.draw(st.sampled_from(sorted(self.behind)))
        self.arrives_or_is_replaced(where.stream, (day_of(where) - day_of(partition("x", 0))), 1)

    @precondition(lambda self: self.behind)
    @rule()
    def all_are_brought_up_to_date(self) -> None:
        for where in sorted(self.behind):
            vote(self.project, where, self.seeds[where])
        self.behind = set()

    @rule(policy=policies)
    def the_policy_changes(self, policy: dict[str, object]) -> None:
        params = yaml.safe_load((self.folder / "params.yaml").read_text())
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params | {"state": policy}))
        self.policy = policy

    @rule(stream=streams, day=days, row=st.integers(0, 2), label=labels, reviewer=reviewers, hour=st.integers(0, 3))
    def somebody_reviews_a_row(self, stream: str, day: int, row: int, label: str, reviewer: str, hour: int) -> None:
        where = partition(stream, day)
        said = {"row_id": f"{where}-{row}", "stream": stream, "label": label, "reviewer": reviewer}
        add_event(self.project, **said, time=f"2026-03-01T{hour:02d}:00:00Z")
        self.reviewed.add((where, row))

    @rule(write=st.integers(1, 45))
    def a_merge_is_killed(self, write: int) -> None:
        self._killed(write, run_merge, self.folder)

    @rule(write=st.integers(1, 40))
    def a_consensus_is_killed(self, write: int) -> None:
        self._killed(write, run_stages, self.folder, "feedback")

    @rule(stream=streams, day=days, seed=seeds, write=st.integers(1, 14))
    def an_arrival_is_killed(self, stream: str, day: int, seed: int, write: int) -> None:
        where = partition(stream, day)
        folder = Layout.of(Layout.VOTES, where)
        before = self.project.store.read(folder)
        self._killed(write, vote_in, self.folder, where, seed)
        if self.project.store.read(folder) != before:
            self.seeds[where] = seed
            self.behind.discard(where)

    def _killed(self, write: int, call: Callable[..., object], *arguments: object) -> None:
        """Let a process die before a write, if it gets that far: what readers see is whole all the same."""
        process = self.processes.Process(target=call_and_die, args=(write, call, *arguments))
        process.start()
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}
        damaged = verify(self.project.store, deep=True).errors
        assert [finding for finding in damaged if finding.where.startswith(("state/", "votes/", "feedback/"))] == []

    @rule(keep=st.none() | st.integers(0, 2))
    def garbage_is_removed(self, keep: int | None) -> None:
        with self.project.writing():
            store = self.project.store
            remove_garbage(store, find_garbage(store, keep_history=keep))

    @rule()
    def what_is_volatile_is_lost(self) -> None:
        shutil.rmtree(self.folder / ".beambell", ignore_errors=True)

    # -- what holds after each of them ---------------------------------------------------------------------------

    @invariant()
    def incremental_is_from_scratch(self) -> None:
        project = self.project
        before = project.store.read(Layout.STATE)
        held = merge.find_work(project).held
        stage_named("merge").refresh(project, project.select())
        state = self.project.store.read(Layout.STATE)
        if held:
            assert state == before
            assert self.behind
            return
        if state is None or not state.facts["partitions"]:
            assert not set(self.seeds) - self.behind
            return
        assert not merge.plan(self.project).tasks
        assert log_of(project.store)[-1].id == state.id
        assert self._from_scratch() == state
        self._is_the_sum(state)

    @invariant()
    def what_people_said_is_from_scratch(self) -> None:
        project = self.project
        stage_named("feedback").refresh(project, project.select())
        consensus = self.project.store.read(Layout.FEEDBACK)
        if consensus == self.consensus:
            return
        self.consensus = consensus
        assert consensus.facts["rows"] == len(self.reviewed)
        there = self.project.store.partitions(Layout.PARTITIONS)
        assert consensus.facts["unknown"] == sum(where not in there for where, _ in self.reviewed)
        shutil.rmtree(self.folder / "data" / Layout.FEEDBACK)
        shutil.rmtree(self.folder / ".beambell")
        project = self.project
        stage_named("feedback").refresh(project, project.select())
        assert self.project.store.read(Layout.FEEDBACK) == consensus

    def _from_scratch(self) -> Manifest | None:
        """Make the state again where there was none, and put the old one back."""
        folder, aside = self.folder / "data" / "state", self.folder / "aside"
        folder.rename(aside)
        project = self.project
        stage_named("merge").refresh(project, project.select())
        made = self.project.store.read(Layout.STATE)
        if made:
            for ref in made.files.values():
                assert (aside / ref.name).read_bytes() == (folder / ref.name).read_bytes()
            shutil.rmtree(folder)
        aside.rename(folder)
        return made

    def _is_the_sum(self, state: Manifest) -> None:
        """Compare with votes added up row by row, and weights from the definition."""
        ready = {where: seed for where, seed in self.seeds.items() if where not in self.behind}
        newest = max(map(day_of, ready), default=0)
        counts = read_counts(self.project.store, state)
        expected: Counter[tuple[int, ...]] = Counter()
        for where, seed in ready.items():
            age = newest - day_of(where)
            weight = 1.0
            if self.policy["policy"] == "window":
                weight = float(age < self.policy["days"])
            if self.policy["policy"] == "decay":
                half_life = self.policy["half_life_days"]
                weight = 0.5 ** (age / half_life) if age < 16 * half_life else 0.0
            for row in draw(len(self.versions), seed, rows=30, pool=12).tolist():
                expected[tuple(row)] += weight
        expected = Counter({pattern: rows for pattern, rows in expected.items() if rows})
        got = dict(
            zip(map(tuple, counts.sample.patterns.tolist()), counts.sample.counts / state.facts["unit"], strict=True)
        )
        assert set(got) <= set(expected)
        assert counts.level or set(got) == set(expected)
        for pattern, rows in got.items():
            np.testing.assert_allclose(rows, expected[pattern], rtol=1e-3)
        np.testing.assert_allclose(counts.figures().total / state.facts["unit"], sum(expected.values()), rtol=1e-3)
        per_stream = [read_counts(self.project.store, state, stream) for stream in state.facts["streams"]]
        assert sum(part.figures().total for part in per_stream) == counts.figures().total


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking replays hundreds of schedules on a disk
        suppress_health_check=[HealthCheck.too_slow],
    )


def test_schedules(processes: BaseContext) -> None:
    run_state_machine_as_test(lambda: Schedule(processes), settings=_settings(5, 12))


@pytest.mark.heavy
def test_many_long_schedules(processes: BaseContext) -> None:
    run_state_machine_as_test(lambda: Schedule(processes), settings=_settings(60, 30))
