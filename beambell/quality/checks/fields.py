"""Fields: how often they are missing, and which values they have."""

from __future__ import annotations

from beambell.quality.check import KINDS, Effect, ShareCheck
from beambell.quality.checks.texts import values_of
from beambell.quality.reference import Share
from beambell.quality.sight import Sight

MOST_VALUES = 30  # of a field whose values are looked at one by one


@KINDS.register
class MissingFields(ShareCheck):
    """Share of rows without a value of a field."""

    kind, of = "missing", "rows"
    effect = Effect(warn=0.05, block=0.4)
    fix = (
        "see whether the source renamed or dropped the column; set the stream's fields in params.yaml or have the file "
        "delivered again. If it is right: `beambell gate accept PARTITION`"
    )

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count rows without a value, of each field."""
        import pyarrow.compute as pc

        found: dict[str, Share] = {}
        for name, type_ in sight.fields.items():
            column = sight.table[name]
            missing = column.null_count
            if type_ == "string":
                missing += int(pc.sum(pc.equal(column, "")).as_py() or 0)
            found[name] = (missing, sight.rows)
        return found

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        return f"the share of rows without {subject}"


@KINDS.register
class FieldValues(ShareCheck):
    """Share of rows with a value of a field, of fields with few values; a new value had none, one that is gone has."""

    kind, of, always = "values", "rows", True
    effect = Effect(warn=0.05)
    fix = (
        "see whether the source renamed the value or a source is new or gone; labeling functions may ask for it. "
        "If it is right, do nothing: the next partitions are compared with this one, too"
    )

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count rows by value."""
        found: dict[str, Share] = {}
        for name, type_ in sight.fields.items():
            values = values_of(sight.table[name], MOST_VALUES) if type_ in {"string", "bool"} else None
            if values is not None:
                found |= {f"{name}={str(value)[:60]}": (count, sight.rows) for value, count in values.items()}
        return dict(sorted(found.items()))

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        return f"the share of rows with {subject}"
