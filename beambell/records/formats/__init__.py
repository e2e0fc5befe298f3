"""The formats of records there are, a module for each family. `beambell.records.format` says what a format declares."""
