"""The same jobs on a job service over the wire, as Flink and Spark have one: the same bytes as embedded."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

from job_service import job_service
from projects import REPOSITORY, published, run_stages, small_project


def test_a_job_service_gives_the_same_bytes(tmp_path):
    embedded = small_project(tmp_path / "embedded", days=2, scale=0.03)
    portable = shutil.copytree(embedded, tmp_path / "portable")
    run_stages(embedded, "ingest", "apply")
    with job_service(tmp_path) as options:
        for job in ("ingest", "apply_lfs"):
            command = [sys.executable, "-m", f"beam_jobs.{job}", "--project", str(portable), "--runner=PortableRunner"]
            done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr
    assert published(portable) == published(embedded)
    assert any(name.startswith("votes/") for name in published(portable))


def test_the_flink_master_of_the_deployment_settings_reaches_beam(tmp_path, monkeypatch):
    from apache_beam.options.pipeline_options import FlinkRunnerOptions, PortableOptions, StandardOptions

    from beam_jobs.pipeline import pipeline_options
    from beambell import Project

    lines = (REPOSITORY / "deploy" / "airflow.env").read_text().splitlines()
    told = [line.removeprefix("# ") for line in lines if line.startswith("# BEAMBELL__BEAM__")]
    for setting in told:
        (word,) = shlex.split(setting)
        monkeypatch.setenv(*word.split("=", 1))
    options = pipeline_options(Project(small_project(tmp_path, days=1, scale=0.01)).params.beam)
    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    assert options.view_as(FlinkRunnerOptions).flink_master == "flink-jobmanager:8081"
    assert options.view_as(PortableOptions).environment_type == "LOOPBACK"
    assert len(told) == 2


def test_ingest_has_the_shape_that_flink_translates(tmp_path):
    from beam_jobs.ingest import build
    from beambell import Project
    from beambell.stages.ingest import IngestWork, find_work
    from beambell.store import Partition

    project = Project(small_project(tmp_path, days=2, scale=0.01))
    found = find_work(project, project.select())
    work = found[0] if isinstance(found, tuple) else found
    assert isinstance(work, IngestWork)
    work = replace(work, rebuild=(Partition("video_comments", "2026-01-01"),))
    transforms = build(project, work, "job").to_runner_api().components.transforms.values()
    urns = [transform.spec.urn for transform in transforms]
    assert urns.count("beam:transform:impulse:v1") == 1  # one start, and so nothing to flatten before the grouping
    assert "beam:transform:flatten:v1" not in urns
    assert urns.count("beam:transform:group_by_key:v1") == 1
