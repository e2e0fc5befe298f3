"""The history that labeling functions with a memory see: aggregates by key, day by day, and what people answered."""
