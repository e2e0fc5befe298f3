"""What ``params.yaml`` says of when Airflow runs what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from beambell.config.places import LABELS, Cron, LabelsOrCron
from beambell.config.section import Section


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
    microbatch
        Times at which ``label_microbatch`` lands and labels what the sources of ``live.streams`` have.
    watch_live
        Times at which the live job is looked at.
    live_restart
        Policy for a live job that died: ``never`` only tells, ``on_failure`` starts it again.
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
    microbatch: Cron = "*/10 * * * *"
    watch_live: Cron = "*/5 * * * *"
    live_restart: Literal["never", "on_failure"] = "never"
