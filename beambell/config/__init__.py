"""``params.yaml`` as typed, validated objects."""

from beambell.config.beam import BeamParams
from beambell.config.load import load_params
from beambell.config.params import (
    DemoParams,
    EvaluationParams,
    FeedbackParams,
    GateParams,
    LabelModelParams,
    LabelParams,
    LFParams,
    ModelParams,
    Params,
)
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
