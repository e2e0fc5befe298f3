"""Labeling functions: the language, their fingerprints, the catalogue of a project, and the plain evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beambell.arrays import ABSTAIN
from beambell.labeling.batch import batch_labeling_function
from beambell.labeling.catalogue import Catalogue
from beambell.labeling.core import LabelingFunction, check_fields, check_labels
from beambell.labeling.evaluate import DeadLetter, Evaluation, evaluate
from beambell.labeling.files import Resource
from beambell.labeling.fingerprint import fingerprint
from beambell.labeling.kinds import count, keyword, length, lexicon, lookup, numeric, regex
from beambell.labeling.python import labeling_function
from beambell.labeling.row import Row
from beambell.labeling.source_text import source
from beambell.labeling.stateful import StatefulFunction, stateful_labeling_function, text_hash

if TYPE_CHECKING:
    from beambell.labeling.compiler import CompiledLFs, Plan, compile_lfs

__all__ = [
    "ABSTAIN",
    "Catalogue",
    "CompiledLFs",
    "DeadLetter",
    "Evaluation",
    "LabelingFunction",
    "Plan",
    "Resource",
    "Row",
    "StatefulFunction",
    "batch_labeling_function",
    "check_fields",
    "check_labels",
    "compile_lfs",
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
    "stateful_labeling_function",
    "text_hash",
]


def __getattr__(name: str) -> Any:
    """Import the compiler when it is first asked for: numba alone takes most of a second."""
    if name in ("CompiledLFs", "Plan", "compile_lfs"):
        from beambell.labeling import compiler

        return getattr(compiler, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
