"""A live job as a plain loop in one process: the same parts that Beam carries, for tests and for small machines."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from beambell.live.desk import Desk
from beambell.live.worker import Worker, tallies
from beambell.project import Project


class Loop:
    """A live job in this process.

    Parameters
    ----------
    project
        Project with a section ``live``.
    """

    def __init__(self, project: Project) -> None:
        self.worker = Worker(project)
        self.desk = Desk(self.worker)

    def step(self) -> int:
        """Read and label what is new of each part, and do what is due; return the number of records that were read."""
        read, parts = 0, self.worker.parts()
        for stream, part in parts:
            found, _ = tallies(self.worker, stream, part)
            for tally in found:
                read += max(tally.next - tally.first, 0)
                self.desk.add(tally)
        self.desk.tick(parts)
        return read

    def run(self, stopping: Callable[[], bool]) -> None:
        """Go on until somebody says that it is time to stop; then land what was read."""
        pause = self.worker.live.latency_ms / 1e3
        try:
            while not stopping():
                if not self.step():
                    time.sleep(pause)
        finally:
            self.close()

    def close(self) -> None:
        """Land what was read, and end."""
        self.worker.land()
        self.desk.end()


def main() -> None:
    """Run the live job of a project until told to stop: ``python -m beambell.live.loop --project DIR``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--project", type=Path, default=Path())
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    Loop(Project(parser.parse_args().project)).run(stopping.is_set)


if __name__ == "__main__":
    main()
