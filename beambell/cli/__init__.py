"""The ``beambell`` command: the local orchestrator."""

from beambell.cli.app import main

__all__ = ["main"]
