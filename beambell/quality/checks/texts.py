"""Texts: empty, of an unusual length, in other characters, one text many times, texts of an earlier day again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from beambell.quality.check import KINDS, Check, Effect, Law, ShareCheck, found, percent
from beambell.quality.finding import Finding
from beambell.quality.reference import Share, share_deviation
from beambell.quality.sight import Sight

LENGTHS = (10, 40, 160, 640)  # characters
SAMPLE = 500  # rows in which repeated texts are counted: in more of them more texts repeat
SKETCH = 64  # texts that are remembered of a partition: those with the smallest hashes
SOURCE = (
    "look at some rows of it (`Project.rows`) and at the source's last release; deliver the files again when they are "
    "mended, then run `beambell run`. If the texts are right: `beambell gate accept PARTITION`"
)


@KINDS.register
class TextShape(ShareCheck):
    """Shares of texts that are empty, of some length, or not in ASCII alone."""

    kind, of = "text", "rows"
    effect, fix = Effect(warn=0.05, block=0.4), SOURCE

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count texts by shape."""
        import pyarrow.compute as pc

        n, texts = sight.rows, sight.table[sight.text]
        characters = pc.fill_null(pc.utf8_length(texts), 0).to_numpy()
        ascii_only = pc.fill_null(pc.string_is_ascii(texts), True).to_numpy()
        words = pc.fill_null(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0).to_numpy()
        edges = zip((1, *LENGTHS), (*LENGTHS, None), strict=True)
        counts = {
            "empty": int((words == 0).sum()),
            "beyond ASCII": int((~ascii_only.astype(bool)).sum()),
            **{
                f"{low} to {high - 1} characters" if high else f"{low} characters or more": int(
                    ((characters >= low) & (characters < high if high else True)).sum()
                )
                for low, high in edges
            },
        }
        return {name: (count, n) for name, count in counts.items()}

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        return f"the share of texts that are {subject}" if subject == "empty" else f"the share of texts {_of(subject)}"


def _of(subject: str) -> str:
    return f"with characters {subject}" if subject == "beyond ASCII" else f"of {subject}"


@KINDS.register
class Repeats(ShareCheck):
    """Shares of rows whose text another row has, and of the commonest text."""

    kind, of = "repeats", "rows"
    effect, fix = Effect(warn=0.05, block=0.2, down=False), (
        "see whether the source sent records again under new ids, or whether one author floods it; "
        "withdraw the file (`beambell ingest --withdraw FILE`), or accept it: `beambell gate accept PARTITION`"
    )  # fmt: skip

    def measure(self, sight: Sight) -> dict[str, Share]:
        """Count repeated texts, in a sample of fixed size, and the rows of the commonest one."""
        import pyarrow.compute as pc

        texts = pc.fill_null(sight.table[sight.text], "")
        texts = texts.filter(pc.greater(pc.utf8_length(texts), 0))
        n = len(texts)
        step = max(n // SAMPLE, 1)
        sample = texts.take(np.arange(0, n, step)[:SAMPLE])
        common = max(pc.value_counts(texts).field("counts").to_pylist(), default=1)
        return {
            "repeated": (len(sample) - pc.count_distinct(sample).as_py(), len(sample)),
            "commonest": (common - 1, n),
        }

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        if subject == "commonest":
            return "the share of rows that repeat the commonest text"
        return f"the share of rows that repeat a text, of {SAMPLE} rows,"


@KINDS.register
class SameAgain(Check):
    """The share of a partition's texts that an earlier partition had: a day that was delivered twice."""

    kind, of = "same_again", "rows"
    effect = Effect(warn=0.2, block=0.5, down=False)
    fix = (
        "see whether an earlier day's file was delivered again under a new name; withdraw it "
        "(`beambell ingest --withdraw FILE`), or accept it: `beambell gate accept PARTITION`"
    )

    def measure(self, sight: Sight) -> list[int]:
        """Keep the smallest hashes of its texts: equal texts have equal ones, so sets of texts can be compared."""
        import pyarrow.compute as pc

        texts = pc.unique(pc.fill_null(sight.table[sight.text], "")).to_pylist()
        return sorted({_hash(text) for text in texts if text})[:SKETCH]

    def judge(self, now: Sequence[int], reference: Sequence[Sequence[int]], law: Law) -> Iterator[Finding]:
        """Compare the largest overlap with an earlier partition with those that the reference has within itself."""
        usual = [_overlap(one, [*reference[:i], *reference[i + 1 :]]) for i, one in enumerate(reference)]
        share = _overlap(now, reference)
        deviation = share_deviation(*share, usual)
        severity = self.effect.severity(deviation, law) if deviation else None
        if deviation and severity:
            low, high = deviation.interval(law.warn_z, top=1.0)
            yield found(
                self.kind, severity, "the share of texts that one earlier partition had, too,", deviation,
                (low, max(high, deviation.expected + self.effect.warn)), self.fix, spell=percent,
            )  # fmt: skip


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest())


def _overlap(one: Sequence[int], others: Sequence[Sequence[int]]) -> Share:
    """Largest number of sketched texts that another partition has among those it can be asked about, and how many."""
    mine, best = set(one), (0, len(one))
    for other in others:
        last = other[-1] if len(other) >= SKETCH else 1 << 48
        asked = {text for text in mine if text <= last}
        both = len(asked.intersection(other))
        if asked and both * best[1] > best[0] * len(asked):
            best = both, len(asked)
    return best


def values_of(column: Any, most: int) -> dict[str, int] | None:
    """Count the values of a column of texts; ``None`` if it has more than so many."""
    import pyarrow.compute as pc

    counted = pc.value_counts(column)
    if len(counted) > most + 1:
        return None
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return {value: count for value, count in pairs if value is not None}
