"""Labeling functions: those of the embedded example, and the place for your own."""
