"""Labeling functions: those of the demo, and the place for your own."""
