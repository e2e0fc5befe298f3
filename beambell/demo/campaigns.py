"""Which spam runs where and when. What it says is in ``phrases/campaigns.txt``."""

from __future__ import annotations

from dataclasses import dataclass

FORTNIGHT = 14


@dataclass(frozen=True, eq=False)
class Campaign:
    """One spammer's business.

    Attributes
    ----------
    name
        Name of the campaign's section in ``phrases/campaigns.txt``.
    weights
        Stream to share of that stream's spam, relative to the other campaigns of the day.
    days
        First and last day of each wave, from 0; the schedule repeats every fortnight.
    evasion
        Share of rows in which words are disguised.
    """

    name: str
    weights: dict[str, float]
    days: tuple[tuple[int, int], ...] = ((0, FORTNIGHT - 1),)
    evasion: float = 0.15

    def runs(self, stream: str, day: int) -> bool:
        """Whether it is active on this day in this stream."""
        return stream in self.weights and any(first <= day % FORTNIGHT <= last for first, last in self.days)


# Copies what honest people wrote the day before; only the author gives it away.
COPYCAT = "copycat"

CAMPAIGNS = (
    Campaign("subswap", {"comments": 5}, evasion=0.1),
    Campaign("giveaway", {"comments": 4, "messages": 2}, ((1, 4), (10, 13)), evasion=0.3),
    Campaign("mentor", {"comments": 5, "messages": 3}, ((0, 2), (5, 13)), evasion=0.2),
    Campaign("privateguide", {"comments": 3, "messages": 1}, ((3, 8), (11, 12)), evasion=0.3),
    Campaign("shop", {"comments": 3, "messages": 2}, ((5, 13),)),
    Campaign("moviesite", {"comments": 3}, ((0, 3), (9, 11)), evasion=0.2),
    Campaign("flirt", {"comments": 3, "messages": 2}, ((6, 13),), evasion=0.25),
    Campaign("diet", {"comments": 3}, ((2, 7),), evasion=0.2),
    Campaign("hiddenapp", {"comments": 3}, evasion=0.02),
    Campaign("homejob", {"messages": 5}, evasion=0.2),
    Campaign("phish", {"messages": 5}, ((2, 6), (11, 13)), evasion=0.2),
    Campaign("parcel", {"messages": 4}, ((4, 9),), evasion=0.15),
    Campaign("airdrop", {"comments": 2, "messages": 3}, ((0, 1), (8, 13)), evasion=0.3),
    Campaign("loan", {"messages": 3}, ((0, 5), (12, 13)), evasion=0.15),
    Campaign("hiddensurvey", {"messages": 2.5}, evasion=0.02),
    Campaign(COPYCAT, {"comments": 1.2, "messages": 0.8}, ((1, 13),), evasion=0.0),
)
