"""Versions of the end model, immutable and numbered, and decisions about them; tags in git where there is one."""

from beambell.registry.decisions import (
    Decision,
    champion,
    decision_inputs,
    decisions,
    last_by_policy,
    newest,
    past_champions,
    record,
    standing,
    what_holds,
)
from beambell.registry.policy import Check, judge
from beambell.registry.served import ServedModel, find_served, load_model, served_model
from beambell.registry.tags import Tagging, assign_stage, find_tag, find_tags, tag_version
from beambell.registry.versions import ModelVersion, find_version, named_version, register, versions

__all__ = [
    "Check",
    "Decision",
    "ModelVersion",
    "ServedModel",
    "Tagging",
    "assign_stage",
    "champion",
    "decision_inputs",
    "decisions",
    "find_served",
    "find_tag",
    "find_tags",
    "find_version",
    "judge",
    "last_by_policy",
    "load_model",
    "named_version",
    "newest",
    "past_champions",
    "record",
    "register",
    "served_model",
    "standing",
    "tag_version",
    "versions",
    "what_holds",
]
