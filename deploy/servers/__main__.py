"""``python -m deploy.servers kafka|flink start|stop|status``: servers that stay until they are stopped."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "deploy"))

from servers.fetched import ServerError  # noqa: E402
from servers.flink import FlinkCluster  # noqa: E402
from servers.kafka import KafkaServer  # noqa: E402
from servers.processes import Server  # noqa: E402


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m deploy.servers", description="Servers on this machine alone.")
    parser.add_argument("server", choices=["kafka", "flink"])
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--folder", type=Path, help="all of its state; by default in .beambell/servers")
    parser.add_argument("--topic", action="append", default=[], metavar="NAME:PARTITIONS", help="topic to make, if new")
    parser.add_argument("--task-managers", type=int, default=2, help="of Flink (default: 2)")
    arguments = parser.parse_args()
    folder = arguments.folder or REPOSITORY / ".beambell" / "servers" / arguments.server
    try:
        if arguments.server == "kafka":
            _kafka(KafkaServer(folder), arguments.command, arguments.topic)
        else:
            _flink(FlinkCluster(folder, arguments.task_managers), arguments.command)
    except ServerError as error:
        sys.exit(str(error))


def _kafka(kafka: KafkaServer, command: str, topics: list[str]) -> None:
    if command == "start":
        kafka.start()
        for topic in topics:
            name, _, partitions = topic.partition(":")
            kafka.create_topic(name, int(partitions or 1))
        print(f"Kafka listens at {kafka.bootstrap}; state and log: {kafka.folder}")
        print(f"export BEAMBELL_KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap}")
    else:
        _stop_or_tell(kafka, command)


def _flink(flink: FlinkCluster, command: str) -> None:
    if command == "start":
        flink.start()
        print(
            f"Flink runs at {flink.rest} with {len(flink.task_managers)} task managers; state and logs: {flink.folder}"
        )
        print(
            "Whoever reaches the ports of Beam's job server can run programs here: not for a machine that others reach."
        )
        print("BeamBell's jobs go there with:")
        for name, value in flink.environment().items():
            print(f"export {name}={shlex.quote(value)}")
    else:
        _stop_or_tell(flink, command)


def _stop_or_tell(server: Server, command: str) -> None:
    if command == "stop":
        print(f"stopped: {', '.join(server.stop()) or 'nothing was running'}")
        return
    running = server.processes.running()
    for part in server.parts:
        print(f"{part:<14} {'runs' if part in running else 'does not run'}")
    if set(running) != set(server.parts):
        sys.exit(1)


if __name__ == "__main__":
    main()
