"""Measurements: ratios within one run, results checked equal first. ``make bench`` writes ``RESULTS.md``."""
