"""End models: features, training, evaluation; pure functions over arrays. `register` adds a kind of one's own.

>>> from beambell.model import train, evaluate, holdout
"""

from __future__ import annotations

from beambell.model.end_model import EndModel, kinds, register
from beambell.model.evaluation import Evaluation, evaluate
from beambell.model.features import HashedNgrams
from beambell.model.standalone import load
from beambell.model.tfidf_logistic import TfidfLogistic
from beambell.model.training import train
from beambell.records.split import holdout

__all__ = [
    "EndModel",
    "Evaluation",
    "HashedNgrams",
    "TfidfLogistic",
    "evaluate",
    "holdout",
    "kinds",
    "load",
    "register",
    "train",
]
