"""A person's tools: trying and comparing labeling functions, sampling rows, queues for review, new projects."""
