"""First labeling functions: words that lean to one class, found in half of the rows that have a label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from beambell.records.split import holdout

MOST_WORDS: Final = 8
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Words:
    """Words that lean to a class.

    Attributes
    ----------
    name
        Name of the labeling function.
    label
        Number of the class.
    words
        Words, those that lean most first.
    rows, right
        Number of rows that they are in, and of those among them that are of the class.
    """

    name: str
    label: int
    words: tuple[str, ...]
    rows: int
    right: int


def looked_at(texts: Sequence[str]) -> list[bool]:
    """Say of which rows the labels may be looked at, by a hash of the text; those of the others only measure."""
    return [bool(one) for one in holdout([" ".join(text.casefold().split()) for text in texts], 0.5, salt="first LFs")]


def suggest(texts: Sequence[str], labels: Sequence[str | None], classes: Sequence[str]) -> list[Words]:
    """Suggest words for each class.

    Parameters
    ----------
    texts, labels
        Texts and names of classes of n rows; ``None`` for rows without a class.
    classes
        Names of the K classes.

    Returns
    -------
    list of Words
        Suggestions, at most one for each class; none for a class that no word leans to.
    """
    rows = [(set(_words(text)), label) for text, label in zip(texts, labels, strict=True) if label is not None]
    of_class = Counter(label for _, label in rows)
    total = Counter(word for words, _ in rows for word in words)
    least = max(2, len(rows) // 200)
    found, named = [], _identifiers(classes)
    for k, name in enumerate(classes):
        mine = Counter(word for words, label in rows if label == name for word in words)
        prior = of_class[name] / max(len(rows), 1)
        leaning = {word: _lean(mine[word], total[word], prior) for word in mine if total[word] >= least}
        best = sorted((word for word, lean in leaning.items() if lean > 0), key=lambda word: (-leaning[word], word))
        words = tuple(best[:MOST_WORDS])
        if words:
            hit = [label for inside, label in rows if not inside.isdisjoint(words)]
            found.append(Words(f"words_of_{named[k]}", k, words, len(hit), hit.count(name)))
    return found


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _lean(mine: int, total: int, prior: float) -> float:
    """Distance of a word's share of a class from the class's own, weighed by how often it occurs; -1 if it is small."""
    precision = (mine + prior) / (total + 1)
    wanted = prior + 0.4 * (1 - prior)
    return (precision - prior) * float(total) ** 0.5 if precision >= wanted else -1.0


def _identifiers(classes: Sequence[str]) -> list[str]:
    """Names of the classes as parts of names in Python; numbers where a name is none, or two would be one."""
    plain = [re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")[:30] for name in classes]
    return [name if name and plain.count(name) == 1 else f"class_{k}" for k, name in enumerate(plain)]


def common_word(texts: Sequence[str]) -> str | None:
    """Find a word that is neither rare nor everywhere, to begin with where no row has a label."""
    rows = [set(_words(text)) for text in texts]
    counts = Counter(word for words in rows for word in words if len(word) > 3)
    usable = [(abs(count / len(rows) - 0.1), word) for word, count in counts.items() if count > 1]
    return min(usable)[1] if usable else None
