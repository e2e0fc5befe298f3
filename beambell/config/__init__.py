"""``params.yaml`` as typed, validated objects."""

from beambell.config.load import load_params
from beambell.config.params import (
    BeamParams,
    EmbeddedParams,
    EvaluationParams,
    FeedbackParams,
    FieldType,
    GateParams,
    Grain,
    LabelModelParams,
    LabelParams,
    LFParams,
    ModelParams,
    Params,
    StreamParams,
)

__all__ = [
    "BeamParams",
    "EmbeddedParams",
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
