"""Versions of the end model, immutable and numbered; tags in git where there is one."""

from beambell.registry.tags import tag_version
from beambell.registry.versions import ModelVersion, find_version, register, versions

__all__ = ["ModelVersion", "find_version", "register", "tag_version", "versions"]
