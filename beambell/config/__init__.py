"""``params.yaml`` as typed, validated objects."""

from beambell.config.beam import BeamParams
from beambell.config.feedback import FeedbackParams
from beambell.config.gate import GateParams
from beambell.config.load import load_params
from beambell.config.models import EvaluationParams, LabelModelParams, LabelParams, ModelParams
from beambell.config.params import DemoParams, LFParams, Params
from beambell.config.section import NAME_PATTERN
from beambell.config.streams import CsvParams, FieldType, Grain, StreamParams

__all__ = [
    "NAME_PATTERN",
    "BeamParams",
    "CsvParams",
    "DemoParams",
    "EvaluationParams",
    "FeedbackParams",
    "FieldType",
    "GateParams",
    "Grain",
    "LFParams",
    "LabelModelParams",
    "LabelParams",
    "ModelParams",
    "Params",
    "StreamParams",
    "load_params",
]
