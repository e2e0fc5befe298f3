"""Make the pictures of the DAGs in docs/: a real Airflow, real runs, and a headless Chromium that looks at them.

``make screenshots``; it needs ``chromium`` (Debian: ``apt-get install chromium``) and a few minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from airflow_local import LocalAirflow  # noqa: E402
from projects import change_params, small_project  # noqa: E402

PICTURES = REPOSITORY / "docs" / "pictures"
DAYS = ("2026-01-01", "2026-01-02")
SIZE = "1500,1000"
RENDER_MS = 25_000
RUN_S = 600.0


def main() -> None:
    """Run what is to be seen, then look at it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not installed; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        project = small_project(Path(folder) / "project", days=2, label_model={"kind": "majority", "options": {}})
        change_params(project, promotion={"min_rows": 5})
        settings = {"BEAMBELL_PROJECT": str(project), "AIRFLOW__API__HIDE_PAUSED_DAGS_BY_DEFAULT": "False"}
        with LocalAirflow(Path(folder) / "airflow", REPOSITORY / "dags", settings, scheduled=True) as airflow:
            airflow.unpause("retrain_model")
            airflow.unpause("label_partition")
            runs = {day: airflow.trigger("label_partition", day) for day in DAYS}
            for run in runs.values():
                if (state := airflow.wait("label_partition", run, timeout_s=RUN_S)) != "success":
                    raise SystemExit(f"the run ended as {state}\n{airflow.explain('label_partition', run)}")
            airflow.wait_until(lambda: "success" in airflow.runs("retrain_model").values(), RUN_S, "no retraining")
            url, run = f"http://127.0.0.1:{airflow.port}", runs[DAYS[-1]]
            retrained = next(run for run, state in airflow.runs("retrain_model").items() if state == "success")
            profile = Path(folder) / "profile"
            _look(chromium, profile, f"{url}/dags", "warm-up", keep=False)  # signs in, and fills the cache
            _look(chromium, profile, f"{url}/dags", "airflow-dags")
            _look(chromium, profile, f"{url}/dags/label_partition/runs/{run}", "airflow-label-partition")
            _look(chromium, profile, f"{url}/dags/retrain_model/runs/{retrained}", "airflow-retrain-model")
            task = f"{url}/dags/label_partition/runs/{run}/tasks/labels.validate"
            _look(chromium, profile, f"{task}/xcom", "airflow-validate")


def _look(chromium: str, profile: Path, url: str, name: str, *, keep: bool = True) -> None:
    """Take a picture of a page, with few colours, so that it is small."""
    picture = profile.parent / f"{name}.png"
    command = [
        *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-proxy-server"),
        *(f"--user-data-dir={profile}", f"--window-size={SIZE}", f"--virtual-time-budget={RENDER_MS}"),
        *(f"--screenshot={picture}", url),
    ]
    for _ in range(3):
        subprocess.run(command, check=False, timeout=180, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if picture.exists():
            break
        time.sleep(2.0)
    if keep:
        from PIL import Image

        PICTURES.mkdir(parents=True, exist_ok=True)
        with Image.open(picture) as image:
            small = image.convert("RGB").quantize(64, dither=Image.Dither.NONE)
            small.save(PICTURES / f"{name}.png", optimize=True)
        print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
