"""What ``params.yaml`` may say, section by section. DVC tracks the same keys as stage parameters."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from beambell.config.beam import BeamParams
from beambell.config.classes import ClassName, check_distinct
from beambell.config.live import LiveParams
from beambell.config.places import LABELS, Cron, LabelsOrCron, Pattern, Root, Text
from beambell.config.section import Days, Name, Section, Share
from beambell.config.streams import StreamParams


class LFParams(Section):
    """Where the labeling functions live.

    Attributes
    ----------
    modules
        Python modules, by dotted name.
    files
        Globs of YAML files, relative to the project.
    time_limit_s
        Seconds that one labeling function may take for one work item (``beam.rows_per_item`` rows); then it is
        stopped, and the rest of those rows are dead letters.
    shadow
        Names of labeling functions that vote, and whose votes are kept, but weigh nothing in any label model. To turn
        one on, take its name out: no vote is computed again.
    """

    modules: tuple[Text, ...] = ()
    files: tuple[Text, ...] = ()
    time_limit_s: float = Field(default=60.0, gt=0, le=31_536_000)
    shadow: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _names_some(self) -> LFParams:
        if not self.modules and not self.files:
            raise ValueError("name modules, files or both, or there are no labeling functions")
        return self


class StateParams(Section):
    """How much a row counts in the state, by its age in days from the newest partition (see docs/state.md).

    Attributes
    ----------
    policy
        ``all`` partitions count the same; a ``window`` of the last ``days``; ``decay``: half as much every
        ``half_life_days``.
    days
        Length of the ``window`` in days.
    half_life_days
        Half-life of ``decay`` in days: a row that much older counts half.
    max_patterns
        Largest number of distinct vote patterns that are all kept. Of more, a sample is kept; figures of votes and of
        pairs of votes stay exact.
    """

    policy: Literal["all", "window", "decay"] = "all"
    days: Days | None = None
    half_life_days: int | None = Field(default=None, ge=1, le=3660)
    max_patterns: int = Field(default=2_000_000, ge=1)

    @model_validator(mode="after")
    def _is_complete(self) -> StateParams:
        needs = {"all": None, "window": "days", "decay": "half_life_days"}[self.policy]
        for key in ("days", "half_life_days"):
            given = getattr(self, key) is not None
            if given != (key == needs):
                raise ValueError(f"policy {self.policy} {'has no' if given else 'needs'} {key}")
        return self


class ReviewQueueParams(Section):
    """Which rows reviewers are asked about (see docs/review-queue.md).

    Attributes
    ----------
    size
        Number of rows in a queue.
    entropy
        Share of rows whose class is in doubt. The four shares are taken as they relate to each other.
    uncovered
        Share of rows that no labeling function votes on.
    disagreement
        Share of rows on which the end model says another class than the label model.
    random
        Share of rows drawn at random, which stand for all.
    blind
        Rows that are shown without what the system makes of them: those drawn at ``random``, ``all`` or ``none``. A
        reviewer who does not see the system's answer is not led by it, so figures from such rows are unbiased.
    """

    size: int = Field(default=100, ge=1)
    entropy: Share = 0.5
    uncovered: Share = 0.15
    disagreement: Share = 0.15
    random: Share = 0.2
    blind: Literal["random", "all", "none"] = "random"

    @model_validator(mode="after")
    def _asks_for_some(self) -> ReviewQueueParams:
        if not self.entropy + self.uncovered + self.disagreement + self.random > 0:
            raise ValueError("one of the shares must be above 0")
        return self


class FeedbackParams(Section):
    """What people say of rows, and what becomes of it (see docs/feedback.md).

    Attributes
    ----------
    inputs
        Globs of files of events, relative to the project (or fsspec URLs). A file is taken in once; what it said stays
        when it is removed or changed.
    consensus
        Rule by which the answers of several reviewers become one: ``majority``, or ``dawid_skene``, which weighs each
        reviewer by how often the others agree with them.
    min_reviewers
        Smallest number of reviewers who decided, for a class or against all; with fewer, a row is undecided.
    min_agreement
        Smallest share of these reviewers (with ``dawid_skene``: smallest probability) for one answer; below it a row is
        undecided. Ties always are.
    evaluate
        Share of rows, chosen by hash, whose feedback only measures: no label model is fitted to it, and no end model
        trained on it.
    queue
        Settings of the rows that reviewers are asked about.
    """

    inputs: tuple[Pattern, ...] = ()
    consensus: Literal["majority", "dawid_skene"] = "majority"
    min_reviewers: int = Field(default=1, ge=1)
    min_agreement: Share = 0.5
    evaluate: float = Field(default=0.2, ge=0, lt=1)
    queue: ReviewQueueParams = ReviewQueueParams()


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


class GateParams(Section):
    """Bounds on label quality; ``max_lost``, ``max_quarantined``, ``min_coverage`` and ``max_lf_errors`` block.

    Attributes
    ----------
    max_lost
        Largest share of the bytes delivered that may lie in files which could not be read to their end.
    max_quarantined
        Largest share of the records read that may be quarantined.
    max_duplicates
        Largest share of the records read that may repeat the id of a later record.
    min_coverage
        Smallest share of the rows that some labeling function must vote on.
    max_conflict
        Largest share of the rows on which labeling functions may vote for different classes.
    min_class_share
        Smallest share of the covered rows that each class must have.
    max_lf_errors
        Largest share of the rows on which any one labeling function may fail.
    """

    max_lost: Share = 0.05
    max_quarantined: Share = 0.05
    max_duplicates: Share = 0.2
    min_coverage: Share = 0.3
    max_conflict: Share = 0.5
    min_class_share: Share = 0.01
    max_lf_errors: Share = 0.01


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
        Kind of end model: ``tfidf_logistic``, or one of your own that a module in ``lfs.modules`` registers.
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
    floor: float | None = None
    max_recall_drop: Share = 0.05
    min_rows: int = Field(default=50, ge=1)


class ScheduleParams(Section):
    """When Airflow runs what; the ``beambell`` command does not read it. Times are cron expressions, in UTC.

    Attributes
    ----------
    hour, day, month
        Times at which the partitions of a grain are labelled, each once, after its end. Where an expression leaves some
        out, such as Saturdays, the next run takes those, too.
    wait_minutes
        Minutes that a run waits for a stream's files before it goes on without them.
    backfill_over
        Largest number of stale partitions that ``label_partition`` takes after the labeling functions changed; more are
        left to ``backfill_lfs``.
    backfill_days
        Number of days that one task of ``backfill_lfs`` takes.
    retrain
        Time of a training: ``labels`` (whenever labels were published), or a cron expression.
    retrain_partitions
        Smallest number of partitions whose labels must have changed since the last training.
    approval_hours
        Hours that ``promote_model`` waits for a person; without an answer the champion stays.
    retry_minutes
        Minutes that a failed task waits before it is tried again; twice that the second time.
    feedback
        Times at which feedback is taken in.
    maintenance
        Times at which the store is checked and cleaned.
    """

    hour: Cron = "10 * * * *"
    day: Cron = "0 0 * * *"
    month: Cron = "0 3 1 * *"
    wait_minutes: int = Field(default=0, ge=0, le=525_600)
    backfill_over: int = Field(default=60, ge=1)
    backfill_days: int = Field(default=7, ge=1)
    retrain: LabelsOrCron = LABELS
    retrain_partitions: int = Field(default=1, ge=1)
    approval_hours: float = Field(default=24.0, gt=0, le=87_600)
    retry_minutes: float = Field(default=1.0, gt=0, le=525_600)
    feedback: Cron = "30 * * * *"
    maintenance: Cron = "30 4 * * *"


class DemoParams(Section):
    """The generated data set that the repository's own project works on.

    Attributes
    ----------
    scale
        Size of the data set; 1 is about 100,000 rows in a fortnight.
    days
        Number of days, from 2026-01-01 on.
    """

    scale: float = Field(default=1.0, gt=0, le=100)
    days: int = Field(default=14, ge=1, le=3660)


def _distinct(classes: tuple[str, ...]) -> tuple[str, ...]:
    check_distinct(classes)
    return classes


class Params(BaseSettings):
    """The whole of ``params.yaml``. ``BEAMBELL__<SECTION>__<KEY>`` in the environment overrides one key.

    Attributes
    ----------
    project
        Name of the project.
    data
        The data root: a folder, or a URL that fsspec reaches.
    lock
        Reach of the write lock. ``shared`` keeps away writers on other machines, too, if the data root is on an S3 API.
        ``machine`` keeps away those of this machine alone, for object stores that ignore conditions on writes.
    classes
        Names of the classes, in the order of their numbers: any text that people use.
    streams
        Streams of records by name.
    """

    model_config = SettingsConfigDict(
        env_prefix="BEAMBELL__", env_nested_delimiter="__", extra="forbid", frozen=True, allow_inf_nan=False
    )

    project: Name
    data: Root = "data"
    lock: Literal["shared", "machine"] = "shared"
    classes: Annotated[tuple[ClassName, ...], AfterValidator(_distinct)] = Field(min_length=2, max_length=100)
    streams: dict[Name, StreamParams] = Field(min_length=1)
    lfs: LFParams
    state: StateParams = StateParams()
    feedback: FeedbackParams = FeedbackParams()
    label_model: LabelModelParams = LabelModelParams()
    labels: LabelParams = LabelParams()
    gate: GateParams = GateParams()
    model: ModelParams = ModelParams()
    evaluation: EvaluationParams = EvaluationParams()
    promotion: PromotionParams = PromotionParams()
    schedule: ScheduleParams = ScheduleParams()
    beam: BeamParams = BeamParams()
    demo: DemoParams = DemoParams()
    live: LiveParams = LiveParams()

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, settings: Any) -> Any:
        """Read what older versions of params.yaml call otherwise."""
        if isinstance(settings, dict) and isinstance(settings.get("embedded"), dict):
            rest = {key: value for key, value in settings.items() if key != "embedded"}
            return rest | {"demo": settings["embedded"] | rest.get("demo", {})}
        return settings

    @model_validator(mode="after")
    def _names_agree(self) -> Params:
        if unknown := set(self.model.streams or ()) - set(self.streams):
            raise ValueError(f"model.streams names unknown streams: {', '.join(sorted(unknown))}")
        for name in self.live.streams:
            if name not in self.streams:
                raise ValueError(f"live.streams names an unknown stream: {name}")
            if self.streams[name].undated == "delivery":
                raise ValueError(
                    f"live.streams: {name} has undated: delivery, but what is landed live has no date of delivery"
                )
        return self

    @property
    def cardinality(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    def in_force(self, section: str) -> dict[str, Any]:
        """Return a section as plain JSON values, by its name."""
        return {section: getattr(self, section).model_dump(mode="json")}

    def names(self) -> dict[str, Any]:
        """Return the names of the classes, in their order, and of the streams: hardly a stage does without."""
        return {"classes": list(self.classes), "streams": sorted(self.streams)}

    def with_beam_options(self, options: Iterable[str]) -> Params:
        """Copy, with options of Beam added as on its command line; ``--runner=NAME`` names the runner.

        Raises
        ------
        ValueError
            If Beam knows no such runner, or if a word is no option.
        """
        return self.model_copy(update={"beam": self.beam.with_options(options)})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which comes in as keyword arguments."""
        return env_settings, init_settings
