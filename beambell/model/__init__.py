"""The end model: features, training, evaluation; pure functions over arrays.

>>> from beambell.model import train, evaluate, holdout
"""

from __future__ import annotations

from beambell.model.end_model import EndModel
from beambell.model.evaluation import Evaluation, evaluate
from beambell.model.features import HashedNgrams
from beambell.model.training import train
from beambell.records.split import holdout

__all__ = ["EndModel", "Evaluation", "HashedNgrams", "evaluate", "holdout", "train"]
