"""Labeling functions: the language, their fingerprints, the catalogue of a project, and the plain evaluation."""

from __future__ import annotations

from beambell.labeling.catalogue import Catalogue
from beambell.labeling.core import ABSTAIN, LabelingFunction, check_fields, check_labels
from beambell.labeling.evaluate import DeadLetter, Evaluation, evaluate
from beambell.labeling.files import Resource
from beambell.labeling.fingerprint import fingerprint, source
from beambell.labeling.kinds import count, keyword, length, lexicon, lookup, numeric, regex
from beambell.labeling.python import labeling_function
from beambell.labeling.row import Row

__all__ = [
    "ABSTAIN",
    "Catalogue",
    "DeadLetter",
    "Evaluation",
    "LabelingFunction",
    "Resource",
    "Row",
    "check_fields",
    "check_labels",
    "count",
    "evaluate",
    "fingerprint",
    "keyword",
    "labeling_function",
    "length",
    "lexicon",
    "lookup",
    "numeric",
    "regex",
    "source",
]
