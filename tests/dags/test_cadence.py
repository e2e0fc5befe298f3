"""Partitions are the calendar's, whatever the cron expression: in backfills, and in what scheduled runs take."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("in_dags_folder")

EACH = {
    "hour": ["0 * * * *", "10 * * * *", "59 * * * *", "@hourly"],
    "day": ["0 0 * * *", "30 2 * * *", "59 23 * * *", "0 12 * * *", "@daily"],
    "month": ["0 0 1 * *", "0 3 1 * *", "59 23 1 * *", "@monthly"],
}
"""One run for each partition, soon after its end."""

SOME = {
    "hour": ["10 8-18 * * *", "5 */6 * * *", "0 4 * * *", "30 22 * * 1-5", "0 0 * * 1"],
    "day": ["0 2 * * 1-5", "30 6 * * MON", "0 2 */2 * *", "15 23 1,15 * *", "0 0 * * 0", "@weekly", "0 5 2 * *"],
    "month": ["0 5 2 * *", "30 0 28 * *", "0 0 31 * *", "0 3 L * *", "0 3 1 1,4,7,10 *", "0 6 15 */2 *"],
}
"""Runs that leave partitions to the next one, or come later than the first day of a month."""

BOUNDS = {
    "hour": ("2026-03-28T22", "2026-03-29T03", 6),  # clocks change in Europe that night
    "day": ("2026-02-27", "2026-03-02", 4),
    "month": ("2025-11", "2026-03", 5),
}
ALL = [(grain, cron) for crons in (EACH, SOME) for grain, some in crons.items() for cron in some]


def stored(timetable: Any) -> Any:
    """Return a timetable as scheduler and command line have it: from Airflow's database."""
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable

    return decode_timetable(encode_timetable(timetable))


def backfilled(timetable: Any, earliest: datetime, latest: datetime) -> list[str]:
    infos = stored(timetable).iter_partition_dagrun_infos(earliest=earliest, latest=latest)
    return [info.partition_key for info in infos]


@pytest.mark.parametrize(("grain", "cron"), ALL)
def test_a_backfill_has_both_its_ends_and_a_range_of_one_its_key(grain: str, cron: str) -> None:
    from cadence import KEY_FORMATS, Cadence

    cadence = Cadence(grain, cron)
    first, last, count = BOUNDS[grain]
    start, end = (datetime.strptime(key, KEY_FORMATS[grain]).replace(tzinfo=UTC) for key in (first, last))
    keys = backfilled(cadence.timetable, start, end)
    assert keys == cadence.keys(first, last)
    assert (keys[0], keys[-1], len(keys)) == (first, last, count)
    for time, key in ((start, first), (end, last)):
        assert backfilled(cadence.timetable, time, time) == [key]
        assert stored(cadence.timetable).resolve_partition_date(key) is not None  # what a trigger by hand asks


def scheduled(cadence: Any, since: datetime, runs: int) -> list[Any]:
    """Runs that Airflow's scheduler makes, one after another."""
    from airflow.timetables.base import TimeRestriction
    from pendulum import instance

    timetable, made, info = stored(cadence.timetable), [], None
    while len(made) < runs:
        restriction = TimeRestriction(earliest=instance(since), latest=None, catchup=True)
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        made.append(SimpleNamespace(run_type="scheduled", partition_key=info.partition_key, run_after=info.run_after))
    return made


@pytest.mark.parametrize(("grain", "cron"), ALL)
def test_scheduled_runs_take_every_partition_once_and_only_when_the_cron_fires(grain: str, cron: str) -> None:
    from cadence import KEY_FORMATS, Cadence
    from croniter import croniter

    cadence = Cadence(grain, cron)
    runs = scheduled(cadence, datetime(2025, 11, 1, tzinfo=UTC), {"hour": 400, "day": 90, "month": 24}[grain])
    assert [run.partition_key for run in runs] == cadence.keys(runs[0].partition_key, runs[-1].partition_key)
    working = [run for run in runs if cadence.taken(run)]
    taken = [key for run in working[1:] for key in cadence.taken(run)]
    assert len(working) > 1
    assert taken == cadence.keys(taken[0], working[-1].partition_key)  # in order, none missing, none twice
    assert taken[0] == cadence.keys(working[0].partition_key, taken[0])[1]
    for run in working:
        begins = datetime.fromisoformat(cadence.begins(run))
        assert begins >= run.run_after
        assert croniter.match(cron, begins)
        assert begins.replace(tzinfo=None).strftime(KEY_FORMATS[grain]) > run.partition_key  # it has ended
    if cron in EACH[grain]:
        assert working == runs
        assert cadence.every
        assert all(cadence.taken(run) == [run.partition_key] for run in runs)
        assert all(datetime.fromisoformat(cadence.begins(run)) == run.run_after for run in runs)


@pytest.mark.parametrize("kind", ["manual", "backfill", "asset_triggered"])
@pytest.mark.parametrize(("grain", "cron"), [("day", "0 2 * * 1-5"), ("month", "0 5 2 * *"), ("hour", "0 4 * * *")])
def test_a_run_that_somebody_asked_for_takes_its_own_key_at_once(grain: str, cron: str, kind: str) -> None:
    from cadence import Cadence

    cadence = Cadence(grain, cron)
    run = SimpleNamespace(run_type=kind, partition_key=BOUNDS[grain][0])
    assert cadence.taken(run) == [run.partition_key]
    assert datetime.fromisoformat(cadence.begins(run)) < datetime(2026, 1, 1, tzinfo=UTC)


def test_nobody_s_saturday_is_lost() -> None:
    from cadence import Cadence

    weekdays = Cadence("day", "0 2 * * 1-5")
    assert weekdays.first("2026-01-02") is None  # a Friday, which ends on a day without a run
    assert weekdays.first("2026-01-03") is None
    assert weekdays.first("2026-01-04") == "2026-01-02"
    assert weekdays.due("2026-01-04") == datetime(2026, 1, 5, 2)  # noqa: DTZ001
    assert weekdays.first("2026-01-05") == "2026-01-05"


@pytest.mark.parametrize(
    ("grain", "cron", "words"),
    [
        ("day", "0 2,14 * * *", "more than once per day"),
        ("day", "*/30 2 * * *", "more than once per day"),
        ("day", "10 * * * *", "more than once per day"),
        ("hour", "*/15 * * * *", "more than once per hour"),
        ("hour", "* * * * *", "more than once per hour"),
        ("month", "0 3 * * 1", "more than once per month"),
        ("month", "0 3 1,15 * *", "more than once per month"),
        ("month", "0 3 1 * 1", "more than once per month"),
        ("month", "0 3 * * *", "more than once per month"),
        ("day", "0 2 * * * 30", "6 fields"),
        ("day", "60 2 * * *", "is not a cron expression"),
        ("day", "0 0 31 2 *", "is not a cron expression that fires"),
        ("day", "2 o'clock", "is not a cron expression"),
        ("day", "", "is not a cron expression"),
    ],
)
def test_a_cron_that_says_no_time_for_a_partition_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grain: str, cron: str, words: str
) -> None:
    import json

    from schedule import read_schedule

    monkeypatch.setenv("BEAMBELL_PROJECT", str(tmp_path))
    text = f"streams:\n  mails: {{inputs: ['{{dt}}.csv'], grain: {grain}}}\nschedule:\n  backfill_days: 3\n"
    (tmp_path / "params.yaml").write_text(text + f"  {grain}: {json.dumps(cron)}\n")
    with pytest.raises(ValueError, match=words) as caught:
        read_schedule()
    assert f"params.yaml:5: schedule.{grain}: {cron!r}" in str(caught.value)


@pytest.mark.parametrize("key", ["feedback", "maintenance", "retrain"])
def test_other_crons_may_fire_as_often_as_they_like_but_must_be_crons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    from schedule import read_schedule

    monkeypatch.setenv("BEAMBELL_PROJECT", str(tmp_path))
    start = "streams: {mails: {inputs: ['{dt}.csv']}}\n"
    (tmp_path / "params.yaml").write_text(start + f"schedule: {{{key}: '*/5 * * * 1-5'}}\n")
    assert getattr(read_schedule(), key) == "*/5 * * * 1-5"
    (tmp_path / "params.yaml").write_text(start + f"schedule: {{{key}: hourly}}\n")
    with pytest.raises(ValueError, match=rf"params.yaml:2: schedule.{key}: 'hourly' is not a cron expression"):
        read_schedule()


def test_no_page_of_airflow_shows_credentials_in_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from schedule import read_schedule

    monkeypatch.setenv("BEAMBELL_PROJECT", str(tmp_path))
    (tmp_path / "params.yaml").write_text("streams:\n  mails: {inputs: ['s3://bucket/{dt}.csv']}\n")
    assert read_schedule().stream_names == ["mails"]
    (tmp_path / "params.yaml").write_text("streams:\n  mails: {inputs: ['s3://key:hunter2@bucket/{dt}.csv']}\n")
    with pytest.raises(ValueError, match=r"params.yaml:2: it holds a password") as caught:
        read_schedule()
    assert "hunter2" not in str(caught.value)
