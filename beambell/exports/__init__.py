"""Exports: published labels, with what belongs to them, as files that others read without BeamBell."""
