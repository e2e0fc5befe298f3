"""The books: what each partition was made from, beside the raw files on record. The two must say the same.

A partition names the raw files it has records of, with their digests. A delivery, the record of one raw file, names the
partitions that have its records. Whatever happened between the writing of the two, a difference is found here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from beambell.artefacts.kinds.records import Delivery, Rows
from beambell.store.manifest import Manifest
from beambell.store.partition import Partition


@dataclass(frozen=True)
class Source:
    """What a partition has of one raw file.

    Attributes
    ----------
    sha256
        Digest of the file's bytes, 64 hex digits.
    records
        Number of records, those that a later revision replaced among them.
    """

    sha256: str
    records: int


@dataclass(frozen=True)
class Difference:
    """A raw file of which a partition and the record of the file say different things.

    Attributes
    ----------
    partition, file
        Partition and name of the raw file that differ.
    what
        Words for people: what is wrong with the partition.
    lacking
        Whether it lacks what is on record, rather than having what is not.
    """

    partition: Partition
    file: str
    what: str
    lacking: bool


def made_from(partition: Manifest) -> dict[str, Source]:
    """Raw files that a partition has records of, by name."""
    sources, inputs = Rows.of(partition).sources, partition.inputs
    return {name: Source(inputs.get(name, ""), sources.get(name, 0)) for name in sorted({*sources, *inputs})}


def on_record(deliveries: Iterable[Manifest]) -> dict[Partition, dict[str, Source]]:
    """What partitions should have of the raw files on record, by partition and name of the file."""
    found: defaultdict[Partition, dict[str, Source]] = defaultdict(dict)
    for delivery in map(Delivery.of, deliveries):
        for dt, records in delivery.partitions.items():
            found[Partition(delivery.stream, dt)][delivery.file] = Source(delivery.sha256, records)
    return dict(found)


def differences(deliveries: Iterable[Manifest], partitions: Mapping[Partition, Manifest]) -> Iterator[Difference]:
    """Compare partitions with the deliveries on record, file by file."""
    deliveries = list(deliveries)
    expected = on_record(deliveries)
    known = {(d.stream, d.file): d.is_withdrawn for d in map(Delivery.of, deliveries)}
    for partition in sorted({*expected, *partitions}):
        wanted = expected.get(partition, {})
        had = made_from(partitions[partition]) if partition in partitions else {}
        for file in sorted({*wanted, *had}):
            if wanted.get(file) == had.get(file):
                continue
            if file not in had:
                yield Difference(partition, file, f"lacks the records of {file}, which are on record", lacking=True)
            elif known.get((partition.stream, file)):
                yield Difference(partition, file, f"has records of {file}, which was withdrawn", lacking=False)
            elif (partition.stream, file) not in known:
                yield Difference(partition, file, f"has records of {file}, which is not on record", lacking=False)
            else:
                yield Difference(partition, file, f"has other records of {file} than are on record", lacking=False)


def balance(deliveries: Iterable[Manifest], partitions: Iterable[Manifest]) -> dict[str, int]:
    """Balance the books.

    Returns
    -------
    dict
        ``records`` in; ``rows`` out, ``duplicates`` and ``quarantined`` records; ``unexplained``, the difference,
        which is 0.
    """
    delivered, made = [Delivery.of(manifest) for manifest in deliveries], [Rows.of(manifest) for manifest in partitions]
    books = {
        "records": sum(one.records for one in delivered),
        "rows": sum(one.rows for one in made),
        "duplicates": sum(one.duplicates for one in made),
        "quarantined": sum(one.quarantined for one in delivered),
    }
    return books | {"unexplained": books["records"] - books["rows"] - books["duplicates"] - books["quarantined"]}


def out_of_balance(deliveries: Iterable[Manifest], partitions: Mapping[Partition, Manifest]) -> dict[str, str]:
    """Find what does not add up: a stream's books, or a partition that replaced more records than it was given.

    Returns
    -------
    dict
        Problems in words for people, by the stream's or the partition's name.
    """
    deliveries = sorted(deliveries, key=lambda one: Delivery.of(one).stream)
    found = {
        str(partition): f"{rows.rows} rows of {rows.records} records"
        for partition, rows in ((partition, Rows.of(manifest)) for partition, manifest in partitions.items())
        if rows.duplicates < 0
    }
    by_stream = {stream: [*those] for stream, those in groupby(deliveries, lambda one: Delivery.of(one).stream)}
    for stream in sorted({*by_stream, *(partition.stream for partition in partitions)}):
        books = balance(
            by_stream.get(stream, []),
            [manifest for partition, manifest in partitions.items() if partition.stream == stream],
        )
        if books["unexplained"]:
            figures = ", ".join(f"{count} {name}" for name, count in books.items())
            found[stream] = f"the books do not balance: {figures}"
    return found
