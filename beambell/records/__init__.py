"""Raw files in, typed rows out: no good record is lost, no bad one is silent."""

from beambell.records.partitioning import delivery_dt, delivery_end, parse_dt, partition_of
from beambell.records.reader import detect_format, read_records
from beambell.records.schema import QUARANTINE_SCHEMA, Batch, Code, row_schema
from beambell.records.seen import as_seen, seen_schema, stored_names

__all__ = [
    "QUARANTINE_SCHEMA",
    "Batch",
    "Code",
    "as_seen",
    "delivery_dt",
    "delivery_end",
    "detect_format",
    "parse_dt",
    "partition_of",
    "read_records",
    "row_schema",
    "seen_schema",
    "stored_names",
]
