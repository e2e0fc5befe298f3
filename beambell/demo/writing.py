"""What is written on one day in one stream: benign rows, and the campaigns' rows among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from beambell.demo.authors import Crowd
from beambell.demo.campaigns import CAMPAIGNS, COPYCAT, Campaign
from beambell.demo.grammar import Grammar, load
from beambell.demo.rng import Rng, Weighted
from beambell.demo.spelling import disguise, mistype

HAM, SPAM = 0, 1
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = 86_400
# Where some of the authors live; everybody else writes in UTC.
ZONES = tuple(timezone(timedelta(minutes=minutes)) for minutes in (60, -300, 330, -480, 540))
SHARE_ZONED = 0.2
SHARE_COPIED = 0.45
# Texts that a campaign repeats at a time; each of them lives for as many days.
REFRAINS = 8
SHARE_WRAPPED = 0.12


@dataclass(slots=True)
class Row:
    """One record, before it is written to a file.

    Attributes
    ----------
    fields
        Column to value, in the order of the columns; the time is an aware ``datetime``.
    second
        Second of the row's day, UTC.
    label
        The hidden truth.
    """

    fields: dict[str, Any]
    second: int
    label: int


@dataclass(frozen=True)
class StreamSpec:
    """What is particular to a stream.

    Attributes
    ----------
    rows
        Benign and spam rows of an average day at scale 1.
    genres
        Kinds of benign text, symbols of ``phrases/<name>.txt``, with their shares.
    time
        The column of the event time.
    """

    name: str
    rows: int
    genres: Weighted[str]
    time: str


COMMENTS = StreamSpec(
    name="comments",
    rows=4_150,
    time="created_at",
    genres=Weighted(
        {
            "praise": 16,
            "moment": 11,
            "question": 13,
            "story": 12,
            "critique": 8,
            "reaction": 9,
            "reply": 6,
            "tip": 6,
            "foreign": 4,
            "free_talk": 4.5,
            "link_talk": 2.5,
            "loud": 3,
            "creator_talk": 3,
            "scamtalk": 3,
        }.items()
    ),
)
MESSAGES = StreamSpec(
    name="messages",
    rows=2_750,
    time="sent_at",
    genres=Weighted(
        {
            "ask": 15,
            "answer": 13,
            "plan": 13,
            "sale": 11,
            "thanks_note": 5,
            "chat": 12,
            "share": 4,
            "notice": 6,
            "work": 6,
            "loud": 3,
            "foreign": 4,
            "scamtalk": 3,
        }.items()
    ),
)
CHANNELS = ("help", "market", "events", "random")
# Where a benign text of a kind usually goes; other kinds go anywhere.
CHANNEL_OF = {"ask": "help", "answer": "help", "sale": "market", "work": "market", "plan": "events"}


def spam_share(day: int, rng: Rng) -> float:
    """Share of spam on a day: it climbs from 25 to 45 per cent within a fortnight, and wobbles."""
    return 0.25 + 0.20 * min(day, 13) / 13 + 0.04 * (rng.unit() - 0.5)


class Writer:
    """Writes the rows of one stream, day after day.

    Parameters
    ----------
    spec
        The stream.
    crowd
        Accounts that write.
    seed, scale
        Seed and size of the data set, as for `beambell.demo.generate`.
    """

    def __init__(self, spec: StreamSpec, crowd: Crowd, seed: int, scale: float) -> None:
        self._spec, self._crowd, self._seed, self._scale = spec, crowd, seed, scale
        self._benign = load(spec.name)
        self._videos = sorted(self._benign)
        self._spam = load("campaigns")
        self._yesterday: list[str] = []

    def day(self, day: int) -> list[Row]:
        """Write the rows of one day, in order of time. Days must be asked for in order, from 0."""
        rng = Rng(self._seed, self._spec.name, day)
        busy = 1.2 if self._date(day).weekday() >= 5 else 0.95
        n_rows = max(1, round(self._spec.rows * self._scale * busy))
        share = spam_share(day, rng)
        spam = self._campaigns(day, rng)
        rows = [next(spam) if rng.chance(share) else self._benign_row(day, rng) for _ in range(n_rows)]
        self._yesterday = [row.fields["text"] for row in rows if row.label == HAM]
        return sorted(rows, key=lambda row: row.second)

    def _benign_row(self, day: int, rng: Rng) -> Row:
        genre = self._spec.genres.draw(rng)
        place = self._place(genre, rng)
        grammar = self._grammar(place)
        text = grammar.expand(genre, rng)
        if rng.chance(0.15):
            text = _joined(text, grammar.expand(self._spec.genres.draw(rng), rng))
        # People sleep at night: the mean of two draws peaks in the afternoon.
        second = int((0.1 + 0.9 * (rng.unit() + rng.unit()) / 2) * SECONDS)
        return self._row(day, second, place, self._crowd.honest(rng), mistype(text.strip(), rng), HAM, rng)

    def _campaigns(self, day: int, rng: Rng) -> Iterator[Row]:
        running = [campaign for campaign in CAMPAIGNS if campaign.runs(self._spec.name, day)]
        if not self._yesterday:
            running = [campaign for campaign in running if campaign.name != COPYCAT]
        choice = Weighted((campaign, campaign.weights[self._spec.name]) for campaign in running)
        refrains = {campaign: self._refrains(campaign, day, rng) for campaign in running}
        while True:
            campaign = choice.draw(rng)
            copied = rng.chance(SHARE_COPIED)
            text = rng.pick(refrains[campaign]) if copied else self._pitch(campaign, rng)
            yield self._spam_row(day, campaign, text, rng)

    def _refrains(self, campaign: Campaign, day: int, rng: Rng) -> list[str]:
        """Return what a campaign repeats, nearly word for word, in all streams and for some days."""
        if campaign.name == COPYCAT:
            return [self._pitch(campaign, rng) for _ in range(REFRAINS)]
        ages = [Rng(self._seed, campaign.name, number, (day + number) // REFRAINS) for number in range(REFRAINS)]
        return [self._pitch(campaign, age) for age in ages]

    def _pitch(self, campaign: Campaign, rng: Rng) -> str:
        if campaign.name == COPYCAT:
            return rng.pick(self._yesterday)
        return self._spam[campaign.name].expand("text", rng)

    def _spam_row(self, day: int, campaign: Campaign, text: str, rng: Rng) -> Row:
        place = self._place("", rng)
        if campaign.name != COPYCAT:
            if rng.chance(SHARE_WRAPPED):
                text = _joined(self._grammar(place).expand(self._spec.genres.draw(rng), rng), text)
            text = disguise(text, rng) if rng.chance(campaign.evasion) else mistype(text, rng)
        author = self._crowd.dishonest(campaign.name, day, rng)
        return self._row(day, rng.below(SECONDS), place, author, text.strip(), SPAM, rng)

    def _place(self, genre: str, rng: Rng) -> str:
        if self._spec is COMMENTS:
            return rng.pick(self._videos)
        usual = CHANNEL_OF.get(genre)
        return usual if usual and rng.chance(0.7) else rng.pick(CHANNELS)

    def _grammar(self, place: str) -> Grammar:
        return self._benign[place if self._spec is COMMENTS else ""]

    def _row(self, day: int, second: int, place: str, author: str, text: str, label: int, rng: Rng) -> Row:
        time = self._date(day) + timedelta(seconds=second)
        if self._spec is COMMENTS:
            zone = rng.pick(ZONES) if rng.chance(SHARE_ZONED) else UTC
            fields: dict[str, Any] = {
                "comment_id": f"{rng.below(1 << 52):013x}",
                "video": place,
                "author": author,
                "text": text,
                "likes": rng.heavy_tail(1.6 if label == HAM else 0.5, 5000),
                "created_at": time.astimezone(zone),
            }
        else:
            fields = {
                "author": author,
                "channel": place,
                "text": text,
                "recipients": 1 + rng.heavy_tail(0.7 if label == HAM else 6.0, 500),
                "sent_at": time + timedelta(milliseconds=rng.below(1000)),
            }
        return Row(fields, second, label)

    @staticmethod
    def _date(day: int) -> datetime:
        return FIRST_DAY + timedelta(days=day)


def _joined(first: str, second: str) -> str:
    return f"{first} {second}" if first.endswith(("?", "!", ".", ")")) else f"{first}. {second}"
