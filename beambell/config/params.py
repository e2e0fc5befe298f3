"""What ``params.yaml`` may say, section by section. DVC tracks the same keys as stage parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from beambell.config.beam import BeamParams
from beambell.config.classes import ClassName, check_distinct
from beambell.config.feedback import FeedbackParams
from beambell.config.gate import GateParams
from beambell.config.live import LiveParams
from beambell.config.models import EvaluationParams, LabelModelParams, LabelParams, ModelParams, PromotionParams
from beambell.config.notifications import NotificationsParams
from beambell.config.places import Root, Text
from beambell.config.predictions import PredictionsParams
from beambell.config.schedule import ScheduleParams
from beambell.config.section import Days, Name, Section
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
    predictions: PredictionsParams = PredictionsParams()
    schedule: ScheduleParams = ScheduleParams()
    beam: BeamParams = BeamParams()
    demo: DemoParams = DemoParams()
    live: LiveParams = LiveParams()
    notifications: NotificationsParams = NotificationsParams()

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
        sections = {"model": self.model.streams, "gate": self.gate.streams, "predictions": self.predictions.streams}
        for section, named in sections.items():
            if unknown := set(named or ()) - set(self.streams):
                raise ValueError(f"{section}.streams names unknown streams: {', '.join(sorted(unknown))}")
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
