"""Row-sized work as Apache Beam jobs; each also runs as ``python -m beam_jobs.NAME``.

A work item is a file or a range of rows: Arrow comes in, Arrow goes out to a staged file, and only small
descriptions travel between steps. The last step of a job publishes each partition with its manifest.
"""

import logging

# Beam says so at every import, about cloud clients that nothing here uses.
logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())
