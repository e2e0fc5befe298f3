"""Texts: empty, of an unusual length, in other characters, one text many times, texts of an earlier day again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from beambell.quality.check import KINDS, Check, Effect, Law, ShareCheck, found, percent
from beambell.quality.finding import Finding
from beambell.quality.reference import Share, share_deviation
from beambell.quality.sight import Sight

if TYPE_CHECKING:
    import pyarrow as pa

LENGTHS = (10, 40, 160, 640)  # characters
BYTES, CANDIDATES = 12, 4096  # of a text that are mixed, and texts that are hashed whole
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
        """Count repeated texts, and the rows of the commonest one."""
        import pyarrow.compute as pc

        counts = sight.texts.field("counts")
        n, most = pc.sum(counts).as_py() or 0, pc.max(counts).as_py() or 1
        return {"repeated": (n - len(counts), n), "commonest": (most - 1, n)}

    def noun(self, subject: str) -> str:
        """Say what the share is."""
        if subject == "commonest":
            return "the share of rows that repeat the commonest text"
        return "the share of rows that repeat another row's text"


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
        texts = sight.texts.field("values").cast("large_binary")
        mixed = _mixed(texts)
        if len(mixed) > CANDIDATES:  # to hash a million texts one by one takes seconds
            lowest = np.partition(mixed, CANDIDATES)[CANDIDATES]
            chosen = np.flatnonzero(mixed <= lowest)
            texts, mixed = texts.take(chosen), mixed[chosen]
        pairs = zip(mixed.tolist(), texts.to_pylist(), strict=True)
        return sorted({(mix << 20) | (crc32(text) & 0xFFFFF) for mix, text in pairs})[:SKETCH]

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


def _mixed(texts: pa.LargeBinaryArray) -> np.ndarray:
    """Mix the length of each text with some of its bytes: uint32 [n], equal for equal texts."""
    if not len(texts):
        return np.zeros(0, np.int64)
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(texts.buffers()[2], np.uint8)
    start, length = offsets[:-1], np.diff(offsets)
    mixed = length.astype(np.uint64)
    for part in range(BYTES):
        byte = data[start + (length * part + length // 2) // BYTES % length]
        mixed = (mixed ^ byte) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(32)).astype(np.int64)


def _overlap(one: Sequence[int], others: Sequence[Sequence[int]]) -> Share:
    """Largest number of sketched texts that another partition has among those it can be asked about, and how many."""
    mine, best = set(one), (0, len(one))
    for other in others:
        last = other[-1] if len(other) >= SKETCH else 1 << 52
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
