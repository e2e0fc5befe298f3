"""Live labeling to look at: ``make live``. A small project, a job on Prism, a stream of records, and a reviewer.

Everything is made below one folder and stopped at the end, also by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from beambell.demo import generate
from beambell.live.prism import find_prism
from beambell.project import Project

REPOSITORY = Path(__file__).parents[1]
STREAMS = ("comments", "messages")
DAYS = 3
SCALE = 0.3
ANSWER_AFTER_S = 20.0
SHOWN = 5


def main() -> None:
    """Run until interrupted, or for so many seconds."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "live-demo")
    parser.add_argument("--rate", type=float, default=50.0, help="records a second")
    parser.add_argument("--seconds", type=float, default=None, help="end after so many")
    told = parser.parse_args()
    folder = told.folder.resolve()
    records = prepare(folder)
    with _job(folder):
        try:
            _play(folder, records, told.rate, told.seconds)
        except KeyboardInterrupt:
            print("\nstopping")
    _beambell(folder, "live", "audit")


def prepare(folder: Path) -> dict[str, list[Path]]:
    """Make the project anew: two days that batch labels, and the files of a third that will stream in."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["live"] = {
        "runner": "loop" if find_prism().path is None else "prism",
        "streams": {stream: {"folder": f"incoming/{stream}/*.jsonl"} for stream in STREAMS},
        "feedback": {"folder": "incoming/answers/*.jsonl"},
        "segment": {"seconds": 5},
        "idle_s": 15,
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.copytree(REPOSITORY / "labeling_functions", folder / "labeling_functions")
    generate(folder / "data" / "raw", days=DAYS, scale=SCALE)
    coming: dict[str, list[Path]] = {}
    for stream in STREAMS:
        (folder / "coming" / stream).mkdir(parents=True)
        for path in sorted((folder / "data/raw" / stream).glob(f"2026-01-{DAYS:02d}*")):
            coming.setdefault(stream, []).append(path.rename(folder / "coming" / stream / path.name))
    (folder / "incoming" / "answers").mkdir(parents=True)
    print("two days are labelled by batch first, so that there is a label model", flush=True)
    _beambell(folder, "run", quiet=True)
    return coming


@contextmanager
def _job(folder: Path) -> Iterator[None]:
    _beambell(folder, "live", "start", "--detach")
    try:
        yield
    finally:
        _beambell(folder, "live", "stop")


def _play(folder: Path, records: dict[str, list[Path]], rate: float, seconds: float | None) -> None:
    """Stream records in, answer once, and show every two seconds how things are."""
    replays = [
        subprocess.Popen(
            [
                sys.executable, "-m", "beambell", "live", "replay", *map(str, paths), "--stream", stream,
                "--rate", str(rate / len(records)), "--project", str(folder),
            ],
            stdout=subprocess.DEVNULL,
        )
        for stream, paths in records.items()
    ]  # fmt: skip
    began, answered = time.monotonic(), False
    try:
        while seconds is None or time.monotonic() - began < seconds:
            _beambell(folder, "live", "status")
            labels = _last_labels(folder)
            for one in labels[-SHOWN:]:
                print(f"  {one['dt']}  {one['label'] or '-':5} {one['model']:20} {one['id']}")
            if not answered and time.monotonic() - began > ANSWER_AFTER_S and labels:
                answered = _answer(folder, labels)
            time.sleep(2)
    finally:
        for replay in replays:
            replay.terminate()
            replay.wait()


def _last_labels(folder: Path) -> list[dict[str, Any]]:
    paths = [path for stream in STREAMS for path in (folder / "data/live" / stream / "labels").glob("*")]
    newest = sorted(paths, key=lambda path: path.stat().st_mtime)[-1:]
    lines = [line for path in newest for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [json.loads(line) for line in lines[-500:]]


def _answer(folder: Path, labels: list[dict[str, Any]]) -> bool:
    """Say of the rows of one pattern that they are of the other class, as a reviewer might."""
    covered = [one for one in labels if one["source"] == "votes" and one["label"]]
    if not covered:
        return False
    first = covered[-1]
    classes = Project(folder).params.classes
    other = next(name for name in classes if name != first["label"])
    rows = [one for one in covered if one["pattern"] == first["pattern"]]
    with (folder / "incoming/answers/answers.jsonl").open("a") as file:
        for one in rows:
            told = {"row_id": one["id"], "stream": one["stream"], "label": other, "reviewer": "you"}
            file.write(json.dumps(told) + "\n")
    print(f"a reviewer answers: {len(rows)} rows with the votes of {first['id']} are {other}, not {first['label']}")
    return True


def _beambell(folder: Path, *words: str, quiet: bool = False) -> None:
    command = [sys.executable, "-m", "beambell", *words, "--project", str(folder)]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL if quiet else None, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
