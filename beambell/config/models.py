"""What ``params.yaml`` says of the label model, of the end model, and of how the latter is judged and promoted."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from beambell.config.places import Pattern, Text
from beambell.config.section import Days, Name, Section, Share


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    for key, value in options.items():
        _check_plain(value, key)
    return options


def _check_plain(value: Any, key: str) -> None:
    """Refuse what YAML can write and JSON cannot: a label model is known by its options."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{key} should be a finite number")
    if isinstance(value, list | tuple):
        for one in value:
            _check_plain(one, key)
    elif isinstance(value, dict):
        for name, one in value.items():
            _check_plain(one, f"{key}.{name}")
        if not all(isinstance(name, str) for name in value):
            raise ValueError(f"{key} should have words for keys")
    elif not isinstance(value, str | int | float | None):
        raise ValueError(f"{key} should be a number, a word, yes or no; write a date in quotes")  # noqa: TRY004


class LabelModelParams(Section):
    """Which label model, and its options (see docs/label-models.md).

    Attributes
    ----------
    kind
        Name of the kind: ``dawid_skene``, ``weighted``, ``majority``, ``snorkel``, or one of your own that a module in
        ``lfs.modules`` registers.
    options
        Options of that kind, by name.
    """

    kind: Text = "dawid_skene"
    options: Annotated[dict[str, Any], AfterValidator(_plain)] = Field(default={})


class LabelParams(Section):
    """How labels follow the label model.

    Attributes
    ----------
    relabel_days
        Number of days, back from the newest partition, that are relabelled when the label model changes; ``None``
        relabels all history. Partitions whose votes or feedback changed, or that have no labels yet, are always
        labelled.
    """

    relabel_days: Days | None = None


Words = Annotated[int, Field(ge=1, le=10)]


def _rising(pair: tuple[int, int]) -> tuple[int, int]:
    if pair[0] > pair[1]:
        raise ValueError(f"the shortest comes first: write [{pair[1]}, {pair[0]}]")
    return pair


class ModelParams(Section):
    """The end model, trained on probabilistic labels.

    Attributes
    ----------
    name
        Name of the model in the registry.
    streams
        Streams it is trained on; ``None`` for all.
    window_days
        Number of days, back from the newest partition, that it is trained on; ``None`` for all.
    kind
        Kind of end model: ``tfidf_logistic``, ``rows_logistic``, ``boosting``, ``estimator``, or one of your own that a
        module in ``lfs.modules`` registers.
    options
        Options of that kind, by name.
    features
        Number of hash buckets of ``tfidf_logistic``.
    ngrams
        Lengths in words of the shortest and the longest sequence that ``tfidf_logistic`` counts.
    C
        Inverse strength of the regularisation of ``tfidf_logistic``, as in scikit-learn.
    max_rows
        Largest number of rows that it is trained on; of more, a sample is drawn.
    seed
        Seed of the sample, and of what a kind of model draws at random.
    """

    name: Name = "model"
    streams: tuple[Name, ...] | None = None
    window_days: Days | None = None
    kind: Name = "tfidf_logistic"
    options: dict[str, Any] = Field(default_factory=dict)
    features: int = Field(default=2**18, ge=2**8, le=2**24)
    ngrams: Annotated[tuple[Words, Words], AfterValidator(_rising)] = (1, 2)
    C: float = Field(default=10.0, gt=0, le=1e12)
    max_rows: int = Field(default=500_000, gt=0)
    seed: int = Field(default=7, ge=0, lt=2**32)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields of rows that the model learns from, by the option ``fields`` of its kind."""
        named = self.options.get("fields", ())
        return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list | tuple) else ()

    @property
    def settings(self) -> dict[str, Any]:
        """Options that a model of this kind is trained with."""
        if self.kind != type(self).model_fields["kind"].default:
            return dict(self.options)
        return {"C": self.C, "ngrams": self.ngrams, "n_features": self.features, **self.options}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values; what older versions had not is left out while it says nothing new."""
        added = {"kind", "options"}
        same = {name for name in added if name not in self.model_dump(include=added, exclude_defaults=True)}
        return self.model_dump(mode="json", exclude=same)


class EvaluationParams(Section):
    """What the end model is measured on: never the labels it was trained on.

    Attributes
    ----------
    gold
        Globs of files with gold labels (Parquet, CSV, JSON lines): a ``label`` column (a class's name or number, -1
        unknown), and either ``stream`` with ``id`` (or ``file`` and ``line``) of ingested rows, or a ``text`` column
        with rows of their own.
    holdout
        Share of ids, chosen by hash, that is never trained on. Gold labels of ingested rows count only there; gold rows
        with a text of their own all count.
    bins
        Number of bins of the calibration curve.
    """

    gold: tuple[Pattern, ...] = ()
    holdout: float = Field(default=0.2, gt=0, lt=1)
    bins: int = Field(default=10, ge=2, le=100)


class PromotionParams(Section):
    """When a newly registered version takes the champion's place: the version that is served.

    Attributes
    ----------
    mode
        Condition of a promotion. ``policy``: the bounds below hold. ``approval``: they hold and a person agrees.
        ``off``: a person promotes.
    stage
        Name of the champion's place, as in GTO's tags.
    metric
        Metric by which versions are compared, on the rows that both were judged by.
    min_gain
        Smallest difference by which a version must be better than the champion, in units of the metric; 0 takes an
        equal one, for it has seen newer data.
    tolerance
        Largest loss, in units of the metric, that chance may hide: the lower end of the 90 % interval of the difference
        may lie so far below 0 (paired bootstrap on the same rows). ``None`` asks for no such bound.
    floor
        Worst value of the metric that a promoted version may have, even without a champion; ``None`` for no bound.
    max_recall_drop
        Largest recall that any one class may lose, a difference in [0, 1].
    min_rows
        Smallest number of gold rows that both versions must have been judged by.
    """

    mode: Literal["policy", "approval", "off"] = "policy"
    stage: Name = "prod"
    metric: Literal["accuracy", "macro_f1", "roc_auc", "log_loss", "brier"] = "macro_f1"
    min_gain: float = 0.0
    tolerance: float | None = Field(default=0.02, ge=0)
    floor: float | None = None
    max_recall_drop: Share = 0.05
    min_rows: int = Field(default=50, ge=1)
