"""Make the pictures of the DAGs in docs/: a real Airflow, real runs, and a headless Chromium that looks at them.

``make screenshots``; it needs ``chromium`` (Debian: ``apt-get install chromium``) and a few minutes.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from airflow_local import LocalAirflow  # noqa: E402
from projects import change_params, small_project  # noqa: E402

PICTURES = REPOSITORY / "docs" / "pictures"
DAYS = ("2026-01-01", "2026-01-02")
GROUPS = {"label_partition": ["deliveries", "votes", "labels"], "retrain_model": ["version", "promotion"]}
SIZE = "1300,1100"
WAIT_S = 180.0
REST_S = 4.0  # for drawing
RUN_S = 600.0


def main() -> None:
    """Run what is to be seen, then look at it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not installed; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        project = small_project(Path(folder) / "project", days=2, label_model={"kind": "majority", "options": {}})
        change_params(project, promotion={"min_rows": 5, "mode": "off"})  # so that there is something to ask
        settings = {"BEAMBELL_PROJECT": str(project), "AIRFLOW__API__HIDE_PAUSED_DAGS_BY_DEFAULT": "False"}
        with LocalAirflow(Path(folder) / "airflow", REPOSITORY / "dags", settings, scheduled=True) as airflow:
            airflow.unpause("retrain_model", "label_partition", "promote_model")
            runs = {day: airflow.trigger("label_partition", day) for day in DAYS}
            for run in runs.values():
                if (state := airflow.wait("label_partition", run, timeout_s=RUN_S)) != "success":
                    raise SystemExit(f"the run ended as {state}\n{airflow.explain('label_partition', run)}")
            airflow.wait_until(
                lambda: set(airflow.runs("retrain_model").values()) == {"success"}, RUN_S, "no retraining"
            )
            retrained = next(run for run, state in airflow.runs("retrain_model").items() if state == "success")
            with Browser(chromium, Path(folder) / "profile") as browser:
                url = f"http://127.0.0.1:{airflow.port}"
                look(browser, url, runs[DAYS[-1]], retrained)
                approve(browser, url, airflow)


def look(browser: Browser, url: str, labelled: str, retrained: str) -> None:
    """Take the pictures: of the DAGs, and of a finished run of two of them, as graphs with their groups open."""
    browser.open(f"{url}/dags", "Label each day")  # signs in
    browser.remember("default_dag_view", "graph")
    for dag_id, groups in GROUPS.items():
        browser.remember(f"{dag_id}/open-groups", groups)
        browser.remember(f"direction-{dag_id}", "DOWN")
    browser.resize(1300, 1100)
    browser.open(f"{url}/dags", "Take in feedback")
    browser.picture("airflow-dags")
    browser.resize(1300, 900)
    browser.open(f"{url}/dags/label_partition", "Trigger")
    browser.press("Trigger", "Wait for files")
    browser.picture("airflow-trigger")
    browser.resize(1300, 1500)
    browser.open(f"{url}/dags/label_partition/runs/{labelled}", "labels.validate")
    browser.picture("airflow-label-partition")
    browser.resize(1300, 900)
    browser.open(f"{url}/dags/retrain_model/runs/{retrained}", "version.train")
    browser.picture("airflow-retrain-model")


def approve(browser: Browser, url: str, airflow: LocalAirflow) -> None:
    """Let a model be proposed, take a picture of the question, and answer it as a person does."""
    asked = airflow.trigger("promote_model", conf={"reason": "I looked at it."})
    airflow.wait_until(
        lambda: airflow.tasks("promote_model", asked)["approve"]["state"] == "awaiting_input", RUN_S, "nobody asks"
    )
    browser.open(f"{url}/dags/promote_model/runs/{asked}/tasks/approve/required_actions", "be served?")
    browser.picture("airflow-approval")
    browser.press("Approve", "Approve")
    if (state := airflow.wait("promote_model", asked, timeout_s=RUN_S)) != "success":
        raise SystemExit(f"the promotion ended as {state}\n{airflow.explain('promote_model', asked)}")
    print("answered:", airflow.xcom("promote_model", asked, "answer"))


class Browser:
    """A headless Chromium, told what to do over its DevTools.

    Parameters
    ----------
    chromium
        The program.
    profile
        Its folder.
    """

    def __init__(self, chromium: str, profile: Path) -> None:
        self._profile = profile
        self._command = [
            *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-proxy-server"),
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", f"--window-size={SIZE}", "about:blank"),
        ]
        self._calls = 0
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        from websockets.sync.client import connect

        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = self._profile / "DevToolsActivePort"
        wait_for(port_file.exists, "Chromium does not start")
        address = f"http://127.0.0.1:{port_file.read_text().split()[0]}/json/list"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=60) as answer:
            page = next(page for page in json.loads(answer.read()) if page["type"] == "page")
        self._socket = self._closing.enter_context(connect(page["webSocketDebuggerUrl"], max_size=None, proxy=None))
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._process.terminate()
        self._process.wait(30)

    def open(self, url: str, text: str) -> None:
        """Open a page, and wait until it shows a text and has come to rest."""
        self._call("Page.navigate", url=url)
        self._shows(text)

    def press(self, button: str, text: str) -> None:
        """Press a button of the page, and wait until it shows a text and has come to rest."""
        found = f"[...document.querySelectorAll('button')].find(it => it.innerText.trim() == {json.dumps(button)})"
        x, y = self._evaluate(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())")
        for event in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)
        self._shows(text)

    def resize(self, width: int, height: int) -> None:
        """Set the size of what is seen, in pixels."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def remember(self, key: str, value: Any) -> None:
        """Set what the pages remember of their user's choices."""
        self._evaluate(f"localStorage.setItem({json.dumps(key)}, {json.dumps(json.dumps(value))})")

    def picture(self, name: str) -> None:
        """Take a picture, with few colours, so that it is small."""
        from PIL import Image

        data = base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
        PICTURES.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(data)) as image:
            image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)
        print(PICTURES / f"{name}.png")

    def _shows(self, text: str) -> None:
        body = "document.body ? document.body.innerText : ''"
        wait_for(lambda: text in self._evaluate(body), f"no {text!r} at {self._evaluate('location.href')}")
        time.sleep(REST_S)

    def _evaluate(self, script: str) -> Any:
        return self._call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def _call(self, method: str, **params: Any) -> Any:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=120))
            if answer.get("id") == self._calls:
                return answer["result"]


def wait_for(done: Callable[[], bool], complaint: str) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + WAIT_S
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(complaint)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
