"""Raw files in, typed rows out: no good record is lost, no bad one is silent."""

from beambell.records.conform import conform
from beambell.records.partitioning import delivery_dt, delivery_end, parse_dt, partition_of
from beambell.records.reader import detect_format, read_records
from beambell.records.schema import BROKEN, QUARANTINE_SCHEMA, Batch, Code, Reject, quarantine_table, row_schema
from beambell.records.seen import as_seen, seen_schema, stored_names

__all__ = [
    "BROKEN",
    "QUARANTINE_SCHEMA",
    "Batch",
    "Code",
    "Reject",
    "as_seen",
    "conform",
    "delivery_dt",
    "delivery_end",
    "detect_format",
    "parse_dt",
    "partition_of",
    "quarantine_table",
    "read_records",
    "row_schema",
    "seen_schema",
    "stored_names",
]
