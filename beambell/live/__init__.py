"""Live labeling without Beam: records are landed and labelled as they arrive. Beam only carries it to workers."""
