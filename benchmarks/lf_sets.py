"""Larger sets of declarative LFs in the public language, for rows of the demo."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

from beambell.labeling import LabelingFunction, count, keyword, length, lexicon, lookup, numeric, regex
from benchmarks.workload import corpus, declarative_lfs

SAMPLE_ROWS = 20_000


def lf_set(n: int) -> list[LabelingFunction]:
    """The first of a hundred declarative LFs; 18 are those of the example."""
    return declarative_lfs(n) if n <= 18 else hundred_lfs()[:n]


def hundred_lfs() -> list[LabelingFunction]:
    """The 18 LFs of the example, and 82 more as a team would have written them by now; the same every time."""
    sample = corpus(SAMPLE_ROWS)
    texts, authors = sample["text"].to_pylist(), sorted(set(sample["author"].to_pylist()))
    # Words of interest are neither in every tenth comment nor in a single one.
    times = Counter(word for text in texts for word in set(re.findall("[a-z]{3,}", text.lower())))
    words = sorted(word for word, n in times.items() if 4 <= n <= SAMPLE_ROWS // 100)
    rng = random.Random(7)
    more = [*_texts(words, rng), *_lists(authors, rng), *_numbers()]
    return [*declarative_lfs(18), *more]


def _texts(words: list[str], rng: random.Random) -> Iterator[LabelingFunction]:
    for number in range(38):
        yield keyword(f"words_{number}", any_of=_phrases(words, rng), label=number % 2)
    for number, form in enumerate(_FORMS * 2):
        one, other = rng.sample(words, 2)
        flags = re.IGNORECASE if number % 3 else 0
        yield regex(f"pattern_{number}", pattern=form.format(one=one, other=other), flags=flags, label=number % 2)
    for number in range(6):
        weights = {word: rng.choice([-1, 0.5, 1, 2]) for word in rng.sample(words, 12)}
        yield lexicon(f"mood_{number}", weights=weights, threshold=1, label=number % 2)
    for number, what in enumerate(["!", r"\?", "[A-Z]", r"\d", r"\S+"]):
        yield count(f"many_{number}", of=what, min=2 + 3 * number, label=1)
    yield length("tiny", max=20, label=0)
    yield length("long", min=140, label=1)
    yield length("wordy", min=25, unit="words", label=0)


_FORMS = [
    r"\b{one}\s+\w+ed\b",
    r"{one}\w{{2,}}",
    r"\b{one}[!?.]*(?:\s|$)",
    r"(?:{one}|{other})\s\w+",
    r"{one}\W+(?:\w+\W+){{0,2}}{other}",
    r"\b{one}s?\s\d+",
    r"{one}(?:ing|ed|er)?\b",
    r"(?<![#@-]){one}\b",
]


def _phrases(words: list[str], rng: random.Random) -> list[str]:
    """Eight entries, some of them of two words."""
    return [" ".join(rng.sample(words, rng.choice([1, 1, 1, 2]))) for _ in range(8)]


def _lists(authors: list[str], rng: random.Random) -> Iterator[LabelingFunction]:
    for number in range(5):
        yield lookup(f"authors_{number}", field="author", values=rng.sample(authors, 40), label=number % 2)
    yield lookup("music", field="video", values=["snare-drum-basics"], label=0)
    yield lookup("at_home", field="video", values=["one-pan-pasta", "balcony-tomatoes"], label=0)


def _numbers() -> Iterator[LabelingFunction]:
    for number, likes in enumerate([1, 2, 3, 6, 10, 20]):
        yield numeric(f"likes_{number}", field="likes", min=likes, label=0)
    yield numeric("unseen", field="likes", max=0, label=1)
