r"""What the experts of the demo know about spam: the first file to read, and to copy.

A labeling function looks at one row and votes for a class, or abstains. None of those below is right every time:
people talk about free things, and spammers say thank you. That is fine. The label model weighs their votes.

The rows come from two streams, ``comments`` and ``messages``. Both have ``text`` and ``author``; a function that
reads a column of one stream alone says so with ``streams``. There is a constructor for each common kind

    keyword    a word or phrase occurs             count      something occurs so many times
    regex      a pattern is found                  length     the text is this short, or this long
    numeric    a number lies in a range            lexicon    weighted words add up
    lookup     a value is on a list

and ``@labeling_function`` for everything else that Python can say. ``@stateful_labeling_function`` sees, beside the
row, what its author or its text did on earlier days. ``beambell lf list`` shows them all.
"""

from __future__ import annotations

import re

import pyarrow as pa

from beambell.labeling import (
    ABSTAIN,
    Row,
    count,
    keyword,
    labeling_function,
    length,
    lexicon,
    lookup,
    numeric,
    regex,
    stateful_labeling_function,
    text_hash,
)
from beambell.labeling.aggregates import Aggregate, Column
from beambell.labeling.aggregates import count as rows_before

# The classes, as `params.yaml` lists them: classes: [ham, spam].
HAM, SPAM = 0, 1

COMMUNITY = "community team"
SAFETY = "trust and safety"

# ---------------------------------------------------------------------------------------------------------- spam

unknown_link = regex(
    "unknown_link",
    pattern=r"(?:https?://|www\.|\b)(?!(?:wiki|docs|library|maps|photos)\.)[\w-]+\.example\b",
    label=SPAM,
    description="Most who post a link want clicks, unless it leads to one of the places where people share notes.",
    owner=SAFETY,
)

asks_for_subscribers = keyword(
    "asks_for_subscribers",
    any_of=["subscribe", "subscribed", "sub4sub", "my channel", "sub back", "help me out", "every follower"],
    label=SPAM,
    description="Advertising one's own channel. Fans say that they subscribed, too.",
    owner=COMMUNITY,
    streams=("comments",),
)

free_stuff = keyword(
    "free_stuff",
    any_of=["free", "giveaway", "gift card", "winner", "claim", "discount", "prize", "voucher", "the draw"],
    label=SPAM,
    description="Something for nothing. Neighbours give things away as well.",
    owner=SAFETY,
)

easy_money = keyword(
    "easy_money",
    any_of=[
        "earn",
        "profit",
        "income",
        "invest",
        "bitcoin",
        "paid daily",
        "trade",
        "loan",
        "payout",
        "debt",
        "portfolio",
        "weekly",
    ],
    label=SPAM,
    description="Money without work.",
    owner=SAFETY,
)

sums_of_money = regex(
    "sums_of_money",
    pattern=r"[$€£]\s?\d|\d+\s?%|\b\d+ (?:dollars)\b",
    label=SPAM,
    description="A price or a rate. Real sales have one, too.",
    owner=SAFETY,
)

off_platform = regex(
    "off_platform",
    pattern=r"whats\s?app|telegram|\binbox\b|@[a-z]+[._][a-z]+|\b555[- ]01\d",
    flags=re.IGNORECASE,
    label=SPAM,
    description="Invites to talk elsewhere: a messenger, a handle, a phone number.",
    owner=SAFETY,
)

credentials = keyword(
    "credentials",
    any_of=[
        "verify",
        "password",
        "your account",
        "suspended",
        "login",
        "confirm",
        "identity",
        "your code",
        "mailbox",
        "refund",
    ],
    label=SPAM,
    description="Phishing asks for these. So does the house meeting, now and then.",
    owner=SAFETY,
    streams=("messages",),
)

hidden_words = regex(
    "hidden_words",
    pattern=r"\b(?:\w[ ._]){4,}\w\b|[a-z][01345]{1,2}[a-z]|[a-z][*\u200b][a-z]",
    label=SPAM,
    description="Words that are spaced out, spelled with digits, or cut by an invisible character.",
    owner=SAFETY,
)

fake_job = keyword(
    "fake_job",
    any_of=["hiring", "no experience", "from home", "from your phone", "recruiter", "part time", "assistants"],
    label=SPAM,
    description="Work that nobody applied for.",
    owner=SAFETY,
    streams=("messages",),
)

parcel_notice = keyword(
    "parcel_notice",
    any_of=["parcel", "shipment", "customs", "delivery"],
    label=SPAM,
    description="A parcel that waits for a fee. Real parcels get lost as well.",
    owner=SAFETY,
    streams=("messages",),
)

miracle = keyword(
    "miracle",
    any_of=["kg", "pain", "natural", "herbal", "fat", "doctors", "sugar"],
    label=SPAM,
    description="Cures for everything.",
    owner=SAFETY,
    streams=("comments",),
)

look_at_me = keyword(
    "look_at_me",
    any_of=["my profile", "my page", "my bio", "my pics", "single", "alone", "dating"],
    label=SPAM,
    description="Company for lonely people, found on a profile.",
    owner=SAFETY,
)

pirated_film = keyword(
    "pirated_film",
    any_of=["full movie", "full hd", "1080p", "episodes", "subtitles", "stream", "watch the"],
    label=SPAM,
    description="Films that somebody else owns.",
    owner=SAFETY,
    streams=("comments",),
)

pushy_emoji = regex(
    "pushy_emoji",
    pattern="[💰🚀💸👉🎁✅💯]|🔥🔥",
    label=SPAM,
    description="Emoji of people who sell.",
    owner=COMMUNITY,
)

exclaims = count(
    "exclaims",
    of="!",
    min=3,
    label=SPAM,
    description="Many exclamation marks: spam, or enthusiasm.",
    owner=COMMUNITY,
)

hype = lexicon(
    "hype",
    weights={
        "guaranteed": 2,
        "hurry": 2,
        "only today": 2,
        "while it lasts": 2,
        "don't miss": 2,
        "before midnight": 1,
        "limited": 1,
        "worldwide": 1,
        "quality": 1,
        "discount": 1,
        "unreal": 1,
        "early": 1,
        "best": 0.5,
        "now": 0.5,
    },
    threshold=1,
    label=SPAM,
    description="The vocabulary of people in a hurry to sell.",
    owner=SAFETY,
)

broadcast = numeric(
    "broadcast",
    field="recipients",
    min=12,
    label=SPAM,
    description="Sent to many people at once.",
    owner=SAFETY,
    streams=("messages",),
)

# ----------------------------------------------------------------------------------------------------------- ham

moderator = lookup(
    "moderator",
    field="author",
    values=["rimshot_rosa", "the_real_sven", "stationmaster", "neighbour_nadia", "compost_carl", "lab_coat_lucia"],
    label=HAM,
    description="People we know. Their accounts can be hijacked, but seldom are.",
    owner=COMMUNITY,
)

points_at_a_moment = regex(
    "points_at_a_moment",
    pattern=r"\b\d{1,2}:[0-5]\d\b",
    label=HAM,
    description="Names a minute of the video, or an hour to meet.",
    owner=COMMUNITY,
)

question = regex(
    "question",
    pattern=r"\?(?:\s|$)",
    label=HAM,
    description="Asks something.",
    owner=COMMUNITY,
)

gratitude = keyword(
    "gratitude",
    any_of=["thanks", "thank you", "gracias", "danke", "merci", "obrigado", "cheers", "please", "great", "love"],
    label=HAM,
    description="Polite people. Flatterers are polite, too.",
    owner=COMMUNITY,
)

short = length(
    "short",
    max=5,
    unit="words",
    label=HAM,
    description="A reaction of a few words has no room for an offer.",
    owner=COMMUNITY,
)

popular = numeric(
    "popular",
    field="likes",
    min=4,
    label=HAM,
    description="Others liked it.",
    owner=COMMUNITY,
    streams=("comments",),
)

family_story = regex(
    "family_story",
    pattern=r"\bmy (?:daughter|son|wife|husband|brother|sister|grandfather|mother|uncle|neighbour|teacher)\b",
    label=HAM,
    description="Tells of family or friends; so do invented success stories.",
    owner=COMMUNITY,
)

about_the_video = lexicon(
    "about_the_video",
    weights={
        "video": 1,
        "part": 1,
        "tried": 1,
        "learned": 1,
        "watched": 1,
        "explains": 1,
        "explanation": 1,
        "beginners": 1,
        "tip": 1,
        "should": 0.5,
        "cheap": 0.5,
        "used": 0.5,
        "channel": -1,
        "http": -1,
    },
    threshold=1,
    label=HAM,
    description="The vocabulary of people who have watched it. Flatterers know some of it.",
    owner=COMMUNITY,
    streams=("comments",),
)

practical = lexicon(
    "practical",
    weights={
        "borrow": 1,
        "meet": 1,
        "bring": 1,
        "collect": 1,
        "pick up": 1,
        "lend": 1,
        "repair": 1,
        "fix": 1,
        "tomorrow": 0.5,
        "weekend": 1,
        "saturday": 0.5,
        "sunday": 0.5,
        "monday": 0.5,
        "we": 0.5,
        "library": 0.5,
        "cellar": 1,
    },
    threshold=1,
    label=HAM,
    description="The vocabulary of neighbours who arrange something.",
    owner=COMMUNITY,
    streams=("messages",),
)

# ------------------------------------------------------------------------------------------------------- in Python

SELDOM_MEANT = frozenset({"the", "to", "is", "why", "one", "pan", "test", "phone"})


@labeling_function(fields=("text", "video"), label=HAM, owner=COMMUNITY, streams=("comments",))
def on_topic(row: Row) -> bool:
    """Mention something from the title of the video."""
    title = set(row.video.split("-")) - SELDOM_MEANT
    return not title.isdisjoint(re.findall(r"\w+", row.text.lower()))


@labeling_function(fields=("author",), label=SPAM, owner=SAFETY)
def numbered_author(row: Row) -> bool:
    """Come from an account with a serial number; a year of birth is none."""
    digits = re.search(r"\d{3,}$", row.author)
    return digits is not None and not re.fullmatch(r"19\d\d|20\d\d", digits.group())


@labeling_function(fields=("text",), owner=SAFETY)
def warning(row: Row) -> int:
    """Tell warnings about scams from scams: both name them, only one says "beware"."""
    text = row.text.lower()
    if not any(word in text for word in ("scam", "bot ", "crypto", "giveaway")):
        return ABSTAIN
    return HAM if any(word in text for word in ("beware", "report", "never", "remove", "careful")) else SPAM


@labeling_function(fields=("text",), label=SPAM, owner=SAFETY)
def mixed_alphabets(row: Row) -> bool:
    """Mix Cyrillic letters into Latin words, which look the same to people and not to filters."""
    return any(re.search("[a-zA-Z]", word) and re.search("[\u0400-\u04ff]", word) for word in row.text.split())


# --------------------------------------------------------------------------- from what happened on earlier days

_suspicious = (
    unknown_link | free_stuff | easy_money | off_platform | hidden_words | look_at_me | pushy_emoji | hype
).named("_suspicious", label=SPAM)


class Suspicions(Aggregate):
    """How many rows of an author were suspicious, beside how many there were."""

    fields = ("text",)
    columns = {"suspicious": Column(pa.int64())}  # noqa: RUF012

    def of(self, rows: pa.Table) -> dict[str, object]:
        """Count a row on which one of the functions above votes for spam."""
        return {"suspicious": _suspicious.votes(rows) == SPAM}

    def value(self, n: int, **columns: int) -> tuple[int, int]:
        """Return both numbers."""
        return n, columns["suspicious"]


@stateful_labeling_function(key="author", aggregate=Suspicions(), window_days=14, fields=(), label=SPAM, owner=SAFETY)
def known_spammer(row: Row, past: tuple[int, int]) -> bool:  # noqa: ARG001
    """Come from an author of whose rows many were suspicious, in either stream."""
    n, suspicious = past
    return suspicious >= 2 and suspicious >= 0.3 * n


@stateful_labeling_function(key="author", aggregate=Suspicions(), window_days=14, fields=(), label=HAM, owner=COMMUNITY)
def good_record(row: Row, past: tuple[int, int]) -> bool:  # noqa: ARG001
    """Come from an author who wrote often and was seldom suspicious. Hijacked accounts have a good record, too."""
    n, suspicious = past
    return n >= 8 and suspicious <= 0.1 * n


@stateful_labeling_function(key=text_hash("text"), aggregate=rows_before(), window_days=1, label=SPAM, owner=SAFETY)
def said_before(row: Row, past: int) -> bool:
    """Say at length what was said the day before. Short reactions are often the same."""
    return past >= 1 and len(row.text.split()) >= 10
