"""What spam under a music video looks like, and what does not.

Written from reading unlabelled comments of the training split; neither gold labels nor published labeling functions
were looked at, and nothing was tuned to a figure.
"""

from __future__ import annotations

import re

from beambell.labeling import Row, count, keyword, labeling_function, length, lexicon, regex

HAM, SPAM = 0, 1

# ---------------------------------------------------------------------------------------------------------- spam

asks_to_subscribe = regex(
    "asks_to_subscribe",
    pattern=r"\b(?:sub|subscribe|suscribe|subscrib)\b|\bsub ?(?:4|for) ?sub\b|\bsubs please\b",
    flags=re.IGNORECASE,
    label=SPAM,
    description="Wants subscribers. To speak of those that the video has is something else.",
)

check_out = regex(
    "check_out",
    pattern=r"\bcha?e?ck(?:ing)? (?:(?:it|this|them|me|us|him|'em) )?out\b|\bcheck (?:my|our)\b",
    flags=re.IGNORECASE,
    label=SPAM,
    description="Sends people elsewhere.",
)

own_works = regex(
    "own_works",
    pattern=r"\b(?:my|our) (?!fav)(?:[\w-]+ ){0,2}"
    r"(?:channel|page|playlist|profile|site|website|covers?|music|raps?|remix|songs?|track|vid(?:eo|io)?s?)\b",
    flags=re.IGNORECASE,
    label=SPAM,
    description="Speaks of works of one's own.",
)

outside_link = regex(
    "outside_link",
    pattern=r"(?:https?://|\bwww\.)(?!(?:www\.)?youtu)|\b[\w-]+ {0,2}\. ?(?:com|net|org|ly|co|ru)\b(?<!youtube\.com)",
    flags=re.IGNORECASE,
    label=SPAM,
    description="Links to another site, even where spaces hide it.",
)

another_video = regex(
    "another_video",
    pattern=r"watch\?v=|youtube(?:\.com)?/(?:user/)?\w",
    flags=re.IGNORECASE,
    label=SPAM,
    description="Leads to another video or channel.",
)

social_accounts = keyword(
    "social_accounts",
    any_of=["follow me", "follow us", "follow", "add me", "instagram", "facebook", "twitter", "twitch", "kik", "skype"],
    label=SPAM,
    description="Collects followers on other sites.",
)

begs = keyword(
    "begs",
    any_of=["please", "plz", "pls", "plzz", "pleas", "help me", "help us", "give it a like", "support"],
    label=SPAM,
    description="Asks for something; fans seldom do.",
)

fishes_for_likes = keyword(
    "fishes_for_likes",
    any_of=["like this comment", "thumbs up so", "like 4 like", "follow 4 follow", "share this", "like and"],
    label=SPAM,
    description="Wants likes for the comment itself.",
)

offers = lexicon(
    "offers",
    weights={
        "free": 1,
        "gift card": 1,
        "giftcard": 1,
        "itunes": 1,
        "discount": 1,
        "earn": 1,
        "donate": 1,
        "fund": 1,
        "clothing": 1,
        "make money": 1,
        "from home": 1,
        "website": 0.5,
        "online": 0.5,
        "money": 0.5,
        "buy": 0.5,
        "win": 0.5,
        "code": 0.5,
        "codes": 0.5,
        "join": 0.5,
        "click": 0.5,
    },
    threshold=1,
    label=SPAM,
    description="The vocabulary of shops, and of money without work.",
)

unknown_artist = lexicon(
    "unknown_artist",
    weights={
        "rapper": 1,
        "singer": 0.5,
        "band": 0.5,
        "youtuber": 1,
        "new channel": 1,
        "upload": 0.5,
        "uploaded": 0.5,
        "talent": 1,
        "a dream": 1,
        "my name is": 1,
        "spam": 0.5,
        "spamming": 1,
        "promise": 0.5,
        "covers": 1,
        "hey guys": 0.5,
        "hi guys": 0.5,
        "will read this": 1,
        "young": 0.5,
        "a chance": 0.5,
    },
    threshold=1,
    label=SPAM,
    description="Introduces a talent that nobody has heard of yet.",
)

about_oneself = count(
    "about_oneself",
    of=r"\b(?:my|me|i'?m|our|us)\b",
    flags=re.IGNORECASE,
    min=3,
    label=SPAM,
    description="Speaks of oneself again and again.",
)

long_winded = length("long_winded", min=220, label=SPAM, description="A pitch takes longer than an opinion.")

# ----------------------------------------------------------------------------------------------------------- ham

short = length("short", max=4, unit="words", label=HAM, description="A reaction of a few words.")

about_the_song = lexicon(
    "about_the_song",
    weights={
        "song": 1,
        "songs": 0.5,
        "lyrics": 1,
        "voice": 1,
        "dance": 1,
        "sing": 0.5,
        "sings": 1,
        "clip": 0.5,
        "music": 0.5,
        "video": 0.5,
        "this video": 0.5,
        "this music": 0.5,
        "my": -1,
        "our": -1,
        "channel": -1,
        "subscribe": -1,
        "check": -1,
        "new": -0.5,
    },
    threshold=1,
    label=HAM,
    description="Speaks of this song, and not of another.",
)

about_the_artists = keyword(
    "about_the_artists",
    any_of=["psy", "katy", "katty", "perry", "eminem", "rihanna", "lmfao", "shakira", "megan fox", "charlie", "tiger"],
    label=HAM,
    description="Names the people, or the tiger, that are seen. To namedrop them is also a trick of spammers.",
)

feelings = keyword(
    "feelings",
    any_of=["love", "awesome", "best", "amazing", "beautiful", "cute", "hot", "wow", "omg", "lol", "haha", "miss"],
    label=HAM,
    description="Likes it.",
)

insults = keyword(
    "insults",
    any_of=["fuck", "fucking", "shit", "bitch", "stupid", "hate", "sucks", "ugly", "gay", "dumb", "annoying", "wtf"],
    label=HAM,
    description="Dislikes it. Who sells something is polite.",
)

counts_views = regex(
    "counts_views",
    pattern=r"\b(?:the|many|more|most|billion|million|mil|\d+m?) (?:views|viewed|people|subscribers)\b"
    r"|\b\d?[ ]?[bm]il+ions?\b|\d(?:[.,]\d{3}){2}",
    flags=re.IGNORECASE,
    label=HAM,
    description="Marvels at the number of views.",
)

points_at_a_moment = regex(
    "points_at_a_moment",
    pattern=r"(?<![\d/])\d{1,2} ?: ?[0-5]\d(?!\d)",
    label=HAM,
    description="Names a minute of the video.",
)

asks_about_it = regex(
    "asks_about_it",
    pattern=r"^\W*(?:why|who|what|how|is|was|does|did|where|when)\b[^?]*\?",
    flags=re.IGNORECASE,
    label=HAM,
    description="Begins with a question.",
)

never_gets_old = keyword(
    "never_gets_old",
    any_of=["still", "old", "remember", "memories", "years ago", "back when", "listening", "anyone", "childhood"],
    label=HAM,
    description="Listens to it again after years.",
)

# ------------------------------------------------------------------------------------------------------- in Python


@labeling_function(fields=("text", "ts"), label=HAM)
def names_this_year(row: Row) -> bool:
    """Name the year of writing, as those do who are still listening; unknown for undated comments."""
    return row.ts is not None and re.search(rf"\b{row.ts.year}\b", row.text) is not None


@labeling_function(fields=("text",), label=HAM)
def without_words(row: Row) -> bool:
    """Say it in hearts, faces and emoticons alone: no word of three letters is left."""
    return not re.search(r"[^\W\d_]{3}|://", re.sub(r"<[^>]*>|&\w+;", " ", row.text))


@labeling_function(fields=("text",), label=SPAM)
def repeats_itself(row: Row) -> bool:
    """Paste the same four words, none of them repeated at once, more than once."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"<[^>]*>", " ", row.text).lower())
    fours = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    whole = [four for four in fours if len(set(four)) == 4]
    return len(set(whole)) < len(whole)
