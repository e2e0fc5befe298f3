"""Beam's own portable job service, on loopback: what Flink and Spark have, too, without either."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def job_service(folder: Path) -> Iterator[list[str]]:
    """Run the service; yields the options that send a job there, its workers in the process that submits it."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    command += ["--port", "0", "--port_file", str(port_file), "--staging_dir", str(folder / "staged")]
    with (folder / "service.log").open("w") as log:
        service = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(600):
            if port_file.exists() and port_file.read_text():
                break
            assert service.poll() is None, (folder / "service.log").read_text()
            time.sleep(0.1)
        yield [f"--job_endpoint=localhost:{port_file.read_text()}", "--environment_type=LOOPBACK"]
    finally:
        service.terminate()
        service.wait(30)
