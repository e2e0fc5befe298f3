"""Voting on a table, without Beam: the votes that the job publishes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from projects import run_stages, small_project

from beambell import Project
from beambell.labeling import StatefulFunction
from beambell.records import as_seen
from beambell.stages.voting import Voting
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import read_table


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    folder = small_project(tmp_path_factory.mktemp("voting"), days=1, scale=0.03)
    run_stages(folder, "ingest", "apply")
    return Project(folder)


def test_a_table_of_rows_has_the_votes_that_the_job_publishes(project):
    catalogue, store = project.catalogue, project.store
    voting = Voting(project)
    lfs = [lf for lf in catalogue.lfs if not isinstance(lf, StatefulFunction)]
    columns = [catalogue.names.index(lf.name) for lf in lfs]
    partitions = store.partitions(Layout.VOTES)
    assert partitions
    for partition, votes in partitions.items():
        place = Layout.of(Layout.PARTITIONS, partition)
        rows = read_table(store, place, store.require(place, "ingest").files["rows"])
        seen = as_seen(rows, project.params.streams[partition.stream])
        cast = voting.vote(seen, lfs, partition.stream)
        published = read_table(store, Layout.of(Layout.VOTES, partition), votes.files["votes"])
        cardinality = project.params.cardinality
        all_votes = packed.unpack(packed.from_arrow(published["pattern"]), len(catalogue.lfs), cardinality)
        assert (packed.unpack(cast.patterns, len(lfs), cardinality) == all_votes[:, columns]).all()
    voting.voters.close()


def test_no_function_votes_nothing(project):
    partition = next(iter(project.store.partitions(Layout.PARTITIONS)))
    place = Layout.of(Layout.PARTITIONS, partition)
    rows = read_table(project.store, place, project.store.require(place, "ingest").files["rows"])
    cast = Voting(project).vote(rows, [], partition.stream)
    assert cast.patterns.shape == (rows.num_rows, 0)
    assert cast.letters.num_rows == 0


def test_it_needs_no_beam():
    code = "import sys, beambell.stages.voting; sys.exit('apache_beam' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
