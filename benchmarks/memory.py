"""Memory of the Beam job as the partition grows: it must not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import contenders
from benchmarks.folder import make_project, rows_file, set_workers
from benchmarks.lf_sets import lf_set
from benchmarks.processes import Isolated, resident_mb
from benchmarks.timing import table
from benchmarks.workload import Workload

SIZES = (1_000_000, 10_000_000)


def measure() -> str:
    """Compare."""
    rows = [[f"{size:,}", *_one_size(size)] for size in SIZES]
    title = "## Memory of the Beam job: 18 LFs, two work items at once\n\n"
    return title + table(["rows", "Parquet, MB", "after imports, MB", "peak above that, MB", "µs per row"], rows)


def _one_size(size: int) -> list[str]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_project(Path(temporary) / "project", Workload(size), lf_set(18))
        set_workers(folder, 2)
        megabytes = rows_file(folder).stat().st_size / 1e6
        with Isolated(cores=2) as process:
            before, peak, seconds, rows = process(peak_of_job, folder)
    assert rows == size
    return [f"{megabytes:.0f}", f"{before:.0f}", f"{peak - before:.0f}", f"{seconds / size * 1e6:.2f}"]


def peak_of_job(folder: Path) -> tuple[float, float, float, int]:
    """Memory after imports and at the job's peak in MB, its seconds, and the rows that it voted on."""
    import beam_jobs.apply_lfs  # noqa: F401
    import beambell.labeling.compiler  # noqa: F401

    before = resident_mb("VmRSS")
    taken = contenders.beam_job(folder)
    return before, resident_mb("VmHWM"), taken, contenders.published_rows(folder)
