"""Who writes: a crowd with a few very busy people, accounts that only spam, and accounts that get hijacked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from beambell.demo.grammar import Grammar, load
from beambell.demo.rng import Rng, zipf

# Known to everybody, and the busiest of all; labeling functions may name them.
MODERATORS = (
    "rimshot_rosa",
    "the_real_sven",
    "stationmaster",
    "neighbour_nadia",
    "compost_carl",
    "lab_coat_lucia",
    "key_keeper",
    "quiz_master_mei",
)
# An account that stays hijacked for good would be a spammer, so each has its first and last day.
MAX_HIJACK_DAYS = 3
SHARE_HIJACKED = 0.04


@dataclass(frozen=True)
class Hijack:
    """An account of an honest person, spamming from ``first`` to ``last`` (days of a fortnight)."""

    author: str
    first: int
    last: int


class Crowd:
    """All accounts, of both streams: who spams in one may well spam in the other.

    Parameters
    ----------
    seed, scale
        Seed and size of the data set, as for `beambell.demo.generate`; ``scale`` multiplies the number of accounts.
    campaigns
        Names of the campaigns, each with spam accounts of its own.
    """

    def __init__(self, seed: int, scale: float, campaigns: Iterable[str]) -> None:
        rng = Rng(seed, "authors")
        names = _Names(load("authors")[""])
        people = [*MODERATORS, *names.new("regular", max(60, int(6000 * scale)), rng)]
        self._people = zipf(people, flatness=4.0)
        self._spammers = {campaign: zipf(names.new("bot", max(4, int(30 * scale)), rng)) for campaign in campaigns}
        self._anyone_bad = [bot for bots in self._spammers.values() for bot in bots.items]
        self._throwaways = names.new("bot", max(80, int(5000 * scale)), rng)
        self._hijacks = [_hijack(author, rng) for author in people if rng.chance(SHARE_HIJACKED)]

    def honest(self, rng: Rng) -> str:
        """Draw the author of a benign row; now and then a spam account that wants to look harmless."""
        if rng.chance(0.02):
            return rng.pick(self._anyone_bad)
        return self._people.draw(rng)

    def dishonest(self, campaign: str, day: int, rng: Rng) -> str:
        """Draw the author of a spam row: the campaign's own account, a throwaway or a hijacked one."""
        fate = rng.unit()
        if fate < 0.12 and (hijacked := self._hijacked(day)):
            return rng.pick(hijacked)
        if fate < 0.50:
            return rng.pick(self._throwaways)
        return self._spammers[campaign].draw(rng)

    def _hijacked(self, day: int) -> list[str]:
        return [hijack.author for hijack in self._hijacks if hijack.first <= day % 14 <= hijack.last]


class _Names:
    """Account names, each given once."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._given: set[str] = set(MODERATORS)

    def new(self, symbol: str, n: int, rng: Rng) -> list[str]:
        names: list[str] = []
        while len(names) < n:
            name = self._grammar.expand(symbol, rng)
            if name in self._given:
                name = f"{name}_{self._grammar.expand('creature', rng)}"
            if name not in self._given:
                self._given.add(name)
                names.append(name)
        return names


def _hijack(author: str, rng: Rng) -> Hijack:
    first = rng.below(14)
    return Hijack(author, first, first + rng.below(MAX_HIJACK_DAYS))
