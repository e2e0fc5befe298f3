"""The same jobs on a job service over the wire, as Flink and Spark have one: the same bytes as embedded."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import pytest
from projects import published, run_stages, small_project


@pytest.fixture
def job_service(tmp_path):
    """Beam's own portable job service, on loopback; yields its address."""
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    command += ["--port", "0", "--port_file", str(port_file), "--staging_dir", str(tmp_path / "staged")]
    with (tmp_path / "service.log").open("w") as log:
        service = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(300):
            if port_file.exists() and port_file.read_text():
                break
            assert service.poll() is None, (tmp_path / "service.log").read_text()
            time.sleep(0.1)
        yield f"localhost:{port_file.read_text()}"
    finally:
        service.terminate()
        service.wait(30)


def test_a_job_service_gives_the_same_bytes(tmp_path, job_service):
    embedded = small_project(tmp_path / "embedded", days=2, scale=0.03)
    portable = shutil.copytree(embedded, tmp_path / "portable")
    run_stages(embedded, "ingest", "apply")
    for job in ("ingest", "apply_lfs"):
        command = [sys.executable, "-m", f"beam_jobs.{job}", "--project", str(portable), "--runner=PortableRunner"]
        command += [f"--job_endpoint={job_service}", "--environment_type=LOOPBACK"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    assert published(portable) == published(embedded)
    assert any(name.startswith("votes/") for name in published(portable))
