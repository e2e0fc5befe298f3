"""The identity of a labeling function: a hash of everything that decides its votes, and of nothing else.

A declarative labeling function is its kind and its parameters, files by content. One written in Python is the
normal form of its source, and that of every helper and class of the user's own which it reaches through globals,
closures, defaults and attributes of modules; constants count by value, libraries by the names of what is used.
"""

from __future__ import annotations

import hashlib

from beambell.labeling.core import LabelingFunction, meaning
from beambell.labeling.normal_form import Form, canonical
from beambell.labeling.python import adopt
from beambell.labeling.reached import Walk, package_of

_SCHEME = "beambell-1"
_AGGREGATES = "beambell-aggregate-1"


def fingerprint(lf: LabelingFunction) -> str:
    """Return the hash of a labeling function's meaning.

    Label, fields, streams, an explicit version and resources belong to the meaning; name, description, owner and
    tags do not, nor do comments, layout, docstrings and annotations.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return _digest([_SCHEME, Walk.of(adopt(lf)).form])


def aggregate_digest(lf: LabelingFunction) -> str:
    """Return the hash of what a stateful labeling function's aggregate means: key, aggregate, condition, streams.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    walk, parameters = Walk(package_of(lf)), meaning(lf)
    counted = [walk.value(parameters[name]) for name in ("key", "aggregate", "of_streams")]
    return _digest([_AGGREGATES, *counted, walk.optional_condition(parameters["where"])])


def _digest(form: Form) -> str:
    return hashlib.sha256(canonical(form).encode()).hexdigest()
