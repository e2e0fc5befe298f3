"""Live labeling without Beam: records are landed and labelled as they arrive; Beam only spreads that over workers."""
