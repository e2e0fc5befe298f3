"""A standalone Flink cluster with Beam's job server: what a deployment has on several machines, here on one."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import urllib.request
from pathlib import Path
from typing import Any

from servers.fetched import jars, java, python_package
from servers.processes import Server, free_ports, listens

FLINK = "1.19.3"
RUNNER = "2.62.0"
"""Version of Beam's Flink runner; it takes the pipelines of newer releases of Beam for Python."""

ARTIFACTS = (f"org.apache.beam:beam-runners-flink-1.19:{RUNNER}", "org.slf4j:slf4j-simple:1.7.30")
_STAGED = "slf4j-simple-1.7.30.jar"  # the smallest: the runner's own are on the class path of every process already

READY_S = 180.0
_PORTS = ("rpc", "rest", "job", "artifact", "expansion")
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy never sees this machine's own port
_OPENED = ("lang", "lang.reflect", "util", "util.concurrent", "nio", "text", "time", "net", "io")
_MEMORY = {  # of a task manager, in megabytes; all parts must be named
    "task.heap.size": 400,
    "framework.heap.size": 128,
    "task.off-heap.size": 64,
    "framework.off-heap.size": 128,
    "network.min": 256,
    "network.max": 256,
    "managed.size": 256,
    "jvm-metaspace.size": 256,
    "jvm-overhead.min": 192,
    "jvm-overhead.max": 192,
}


class FlinkCluster(Server):
    """A job manager, task managers of one slot each, and the job server that Beam's jobs are sent to.

    Parameters
    ----------
    folder
        Its settings, logs, checkpoints and what jobs upload.
    task_managers
        How many; also the parallelism of a job.
    """

    def __init__(self, folder: Path, task_managers: int = 2) -> None:
        super().__init__(folder)
        self.task_managers = tuple(f"taskmanager-{number + 1}" for number in range(task_managers))
        self.parts = ("jobmanager", *self.task_managers, "jobserver")
        self._ports: dict[str, int] = {}

    @property
    def rest(self) -> str:
        """Address of Flink's REST interface, and of its pages."""
        return f"http://127.0.0.1:{self._ports['rest']}"

    def options(self) -> list[str]:
        """Beam's options that send a job here, to be added to ``--runner=PortableRunner``."""
        environment = json.dumps({"command": str(self.folder / "worker")})
        return [
            f"--job_endpoint=127.0.0.1:{self._ports['job']}",
            f"--artifact_endpoint=127.0.0.1:{self._ports['artifact']}",
            "--environment_type=PROCESS",
            f"--environment_config={environment}",
            f"--parallelism={len(self.task_managers)}",
            f"--files_to_stage={_jobserver() / _STAGED}",
        ]

    def environment(self) -> dict[str, str]:
        """Variables that send BeamBell's jobs here, whatever ``params.yaml`` says."""
        return {"BEAMBELL__BEAM__RUNNER": "PortableRunner", "BEAMBELL__BEAM__OPTIONS": json.dumps(self.options())}

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Ask Flink's REST interface: ``/jobs/overview``, ``/taskmanagers``.

        Raises
        ------
        OSError
            If it does not answer, or answers with an error.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.rest}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with _HTTP.open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def running_task_managers(self) -> set[str]:
        """Return the names of the task managers that the job manager knows."""
        return {one["id"] for one in self.ask("/taskmanagers")["taskmanagers"]}

    def prepare(self) -> None:
        """Choose ports; write the settings and the command that starts a worker."""
        self._ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.processes.note(ports=self._ports)
        settings = self.folder / "conf"
        settings.mkdir(exist_ok=True)
        (settings / "config.yaml").write_text(json.dumps(self._settings(), indent=1))  # JSON is YAML
        (settings / "log4j.properties").write_text(
            "rootLogger.level=INFO\nrootLogger.appenderRef.out.ref=out\nappender.out.name=out\nappender.out.type=CONSOLE\n"
            "appender.out.layout.type=PatternLayout\nappender.out.layout.pattern=%d{HH:mm:ss,SSS} %-5p %c{1} %m%n\n"
        )
        worker = self.folder / "worker"
        path = shlex.quote(os.pathsep.join(path for path in sys.path if path and not path.endswith(".zip")))
        worker.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {shlex.quote(sys.executable)} -m beam_jobs.worker "$@"\n')
        worker.chmod(0o755)

    def resume(self) -> None:
        """Read the ports that were chosen."""
        self._ports = self.processes.noted("ports")

    def restart(self, part: str) -> None:
        """Start one part; a task manager is ready when the job manager knows it."""
        if part == "jobmanager":
            main = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
            self.processes.spawn(part, self._flink(main))
            self.processes.wait(part, self._answers, READY_S)
        elif part == "jobserver":
            self.processes.spawn(part, self._job_server())
            self.processes.wait(part, lambda: listens(self._ports["job"]), READY_S)
        else:
            words = [f"-Dtaskmanager.resource-id={part}", "-Dtaskmanager.cpu.cores=1.0"]
            words += [f"-Dtaskmanager.memory.{name}={size}m" for name, size in _MEMORY.items()]
            main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
            self.processes.spawn(part, self._flink(main, *words))
            self.processes.wait(part, lambda: part in self.running_task_managers(), READY_S)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return "taskmanagers" in self.ask("/taskmanagers")
        return False

    def _flink(self, main: str, *words: str) -> list[str]:
        program = java()
        opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED]
        opened += ["--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", "--add-exports=java.base/sun.net.util=ALL-UNNAMED"]
        logs = f"-Dlog4j.configurationFile={self.folder / 'conf' / 'log4j.properties'}"
        path = f"{python_package('apache-flink-libraries', FLINK) / 'pyflink' / 'lib'}/*:{_jobserver()}/*"
        memory = ["-Xmx600m", "-XX:MaxDirectMemorySize=600m"]
        return [program, *opened, *memory, logs, "-cp", path, main, "--configDir", str(self.folder / "conf"), *words]

    def _job_server(self) -> list[str]:
        main = "org.apache.beam.runners.flink.FlinkJobServerDriver"
        ports = [f"--{name}-port={self._ports[name]}" for name in ("job", "artifact", "expansion")]
        flink = [f"--flink-master=127.0.0.1:{self._ports['rest']}", f"--artifacts-dir={self.folder / 'artifacts'}"]
        return [java(), "-Xmx800m", "-cp", f"{_jobserver()}/*", main, "--job-host=127.0.0.1", *ports, *flink]

    def _settings(self) -> dict[str, Any]:
        here = "127.0.0.1"
        return {
            "jobmanager": {
                "rpc": {"address": here, "port": self._ports["rpc"]},
                "bind-host": here,
                "memory": {"process": {"size": "1000m"}},
            },
            "taskmanager": {"host": here, "bind-host": here, "numberOfTaskSlots": 1},
            "rest": {"address": here, "bind-address": here, "port": self._ports["rest"]},
            "parallelism": {"default": len(self.task_managers)},
            "restart-strategy": {
                "type": "exponential-delay",  # one with a limit gives up before a task manager is back
                "exponential-delay": {
                    "initial-backoff": "1 s",
                    "max-backoff": "5 s",
                    "reset-backoff-threshold": "1 min",
                },
            },
            "heartbeat": {"interval": 1000, "timeout": 6000},
            "classloader": {"resolve-order": "parent-first"},
            "state": {
                "checkpoints": {"dir": (self.folder / "checkpoints").as_uri()},
                "savepoints": {"dir": (self.folder / "savepoints").as_uri()},
            },
        }


def _jobserver() -> Path:
    return jars("beam-flink", *ARTIFACTS)
