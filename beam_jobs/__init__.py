"""Row-sized work as Apache Beam jobs; each also runs as ``python -m beam_jobs.NAME``.

A work item is a file or a range of rows, and only small descriptions travel between steps. A range that is a whole
partition writes the partition's file at once; pieces of one are staged, and the last step of a job joins them. That
step publishes each partition with its manifest.
"""

import logging

# Beam says so at every import, about cloud clients that nothing here uses.
logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())
