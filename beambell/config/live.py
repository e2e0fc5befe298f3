"""``live`` of ``params.yaml``: where records arrive one by one, and how fast what follows from them is to be there."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from beambell.config.places import Pattern, Text
from beambell.config.section import Name, Section, Share

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class LiveSourceParams(Section):
    """Log that records are read from.

    Attributes
    ----------
    topic
        Name of a Kafka topic; `LiveParams.brokers` says where.
    folder
        Glob of JSON-lines files that grow or arrive, relative to the project. Names rise: a file whose name sorts
        after another's holds later records.
    start
        Offset to begin with where nothing was landed yet: the ``earliest`` that there is, or the ``latest``.
    """

    topic: Text | None = None
    folder: Pattern | None = None
    start: Literal["earliest", "latest"] = "earliest"

    @model_validator(mode="after")
    def _is_one(self) -> LiveSourceParams:
        if (self.topic is None) == (self.folder is None):
            raise ValueError("name one of topic and folder")
        return self


class SegmentParams(Section):
    """Size of the files that records are landed in.

    Attributes
    ----------
    rows
        Number of records at which a segment is complete.
    seconds
        Seconds after its first record at which a segment is complete, however few records it has.
    """

    rows: int = Field(default=100_000, ge=1)
    seconds: Seconds = 20.0


class OnlineModelParams(Section):
    """End model that learns from live labels as they come; it is shown beside the champion, and never promoted.

    Attributes
    ----------
    on
        Whether there is such a model.
    share
        Share of the rows, chosen by a hash of the id, that it learns from.
    features
        Number of columns that words, and pairs of words, are hashed to.
    start_rows
        Number of rows with published labels, the newest, that it begins with.
    publish_s
        Seconds between two files of it.
    window
        Number of rows that its newest figures are of.
    """

    on: bool = True
    share: Share = 1.0
    features: int = Field(default=2**18, ge=2**8, le=2**24)
    start_rows: int = Field(default=20_000, ge=0)
    publish_s: Seconds = 5.0
    window: int = Field(default=1_000, ge=1)


class LiveParams(Section):
    """Live labeling (see docs/live.md).

    Attributes
    ----------
    streams
        Source of each stream that is labelled live, by the stream's name.
    feedback
        Source of events of feedback, as JSON lines; ``None`` if people's answers come as files only.
    brokers
        Addresses of Kafka's brokers, such as ``localhost:9092``.
    client
        Further settings of the Kafka client, as librdkafka calls them. Passwords belong into the environment:
        ``BEAMBELL_KAFKA_SASL_PASSWORD`` sets ``sasl.password``.
    runner
        Runner of the job: ``prism`` on one machine, ``flink`` on a cluster, or a plain ``loop`` in one process.
    prism
        Path of the Prism binary; ``None`` looks for it.
    options
        Options of the Beam runner, as on its command line.
    latency_ms
        Milliseconds between two looks at a part of a source.
    batch
        Most records of a micro-batch.
    segment
        Size of the files that records are landed in.
    lateness_s
        Seconds of event time that a record may be late before its partition closes.
    idle_s
        Seconds after which a part without records, and with none behind, no longer holds back the clock.
    stall_s
        Seconds without a record from a part that has some behind, after which that is an alarm.
    refit_s
        Seconds between two fits of the label model.
    swap_s
        Seconds between two looks for a newer label model.
    recent_rows
        Number of rows, of those labelled last, that feedback is joined with.
    lf_time_limit_s
        Seconds that one labeling function may take for a micro-batch.
    model
        Settings of the online end model.
    labels
        Kind of place that labels go to: ``files`` below ``data/live``, or a ``kafka`` topic, too.
    labels_topic
        Name of that topic.
    close
        Whether the ordinary stages run by themselves when a partition closes.
    restart_s
        Longest wait before a job that died is started again.
    """

    streams: dict[Name, LiveSourceParams] = Field(default={})
    feedback: LiveSourceParams | None = None
    brokers: Text | None = None
    client: dict[str, Any] = Field(default={})
    runner: Literal["prism", "flink", "loop"] = "prism"
    prism: Text | None = None
    options: tuple[Text, ...] = ()
    latency_ms: int = Field(default=200, ge=10, le=60_000)
    batch: int = Field(default=2_000, ge=1, le=1_000_000)
    segment: SegmentParams = SegmentParams()
    lateness_s: float = Field(default=60.0, ge=0, le=31_536_000)
    idle_s: Seconds = 30.0
    stall_s: Seconds = 60.0
    refit_s: Seconds = 5.0
    swap_s: Seconds = 0.5
    recent_rows: int = Field(default=200_000, ge=0)
    lf_time_limit_s: Seconds = 5.0
    model: OnlineModelParams = OnlineModelParams()
    labels: Literal["files", "kafka"] = "files"
    labels_topic: Text | None = None
    close: bool = True
    restart_s: Seconds = 60.0

    @model_validator(mode="after")
    def _is_complete(self) -> LiveParams:
        sources = [*self.streams.values(), *([self.feedback] if self.feedback else [])]
        if self.brokers is None and (self.labels == "kafka" or any(source.topic for source in sources)):
            raise ValueError("a Kafka topic needs brokers, such as brokers: localhost:9092")
        if (self.labels == "kafka") != (self.labels_topic is not None):
            raise ValueError("labels: kafka and labels_topic go together")
        return self
