"""Every path below the data root, in one place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from beambell.store.canonical import digest
from beambell.store.partition import Partition


class Layout:
    """Names of the folders that hold artefacts; each has a ``manifest.json``. Names with a dot are of running jobs."""

    MANIFEST = "manifest.json"
    HISTORY = "history"
    STAGING = ".staging"
    LEASE = ".lease"
    PARTITIONS = "partitions"
    DELIVERIES = "deliveries"
    ANSWERS = "aggregates/answers"
    AGGREGATES = "aggregates"
    VOTES = "votes"
    CANDIDATES = "candidates"
    LABELS = "published"
    VERDICTS = "verdicts"
    SCREENINGS = "screenings"
    RULINGS = "rulings"
    STATE = "state"
    FEEDBACK_BATCHES = "feedback/batches"
    FEEDBACK = "feedback/consensus"
    FEEDBACK_COUNTS = "feedback/counts"
    FEEDBACK_QUEUES = "feedback/queues"
    LFS = "lfs"
    INPUTS = "inputs"
    LABEL_MODEL = "label_models"
    END_MODEL = "models/candidate"
    REGISTRY = "models/registry"
    EVALUATION = "evaluation"
    DECISIONS = "decisions"
    PREDICTIONS = "predictions"
    REPORTS = "reports"
    #: What people were told, so that nobody is told twice; no artefacts.
    NOTICES = "notices"

    #: Records that the live job landed, a folder for each stream: deliveries like any other, and no artefacts.
    LANDED = "segments"
    #: Answers of people that it landed. No stream can have this name.
    LANDED_FEEDBACK = "segments/_feedback"
    #: What the live job knows: all of it can be made again from what was landed.
    LIVE = "live"

    #: Published labels for everybody: one file per partition, nothing else. They are copies, and no artefacts.
    PUBLIC = "labels"
    PUBLIC_FILE = "labels.parquet"

    #: Role of the lists of a state's members: lineage of what was made long ago needs them, so they are never garbage.
    STATE_PARTITIONS = "members"

    @staticmethod
    def of(kind: str, partition: Partition) -> str:
        """Folder of one partition's artefact of a kind."""
        return f"{kind}/{partition.folder}"

    @staticmethod
    def public(partition: Partition) -> str:
        """File of one partition's published labels, for everybody."""
        return f"{Layout.PUBLIC}/{partition.folder}/{Layout.PUBLIC_FILE}"

    @staticmethod
    def today(folder: str) -> str:
        """Folder where an artefact is kept now; published labels once lay in the folder for everybody."""
        is_former = folder.startswith(f"{Layout.PUBLIC}/")
        return f"{Layout.LABELS}{folder.removeprefix(Layout.PUBLIC)}" if is_former else folder

    @staticmethod
    def formerly(folder: str) -> str:
        """Folder where published labels lay once."""
        return f"{Layout.PUBLIC}{folder.removeprefix(Layout.LABELS)}"

    @staticmethod
    def delivery(stream: str, file: str) -> str:
        """Folder of what is known about one raw file; the file's own name may hold anything, so it is hashed."""
        name = hashlib.sha256(file.encode()).hexdigest()[:16]
        return f"{Layout.DELIVERIES}/stream={stream}/file={name}"

    @staticmethod
    def batch(inputs: Mapping[str, str]) -> str:
        """Folder of the batch of feedback that is made from these inputs."""
        return f"{Layout.FEEDBACK_BATCHES}/{digest(dict(inputs))[:32]}"

    @staticmethod
    def version(model: str, number: int) -> str:
        """Folder of one registered model version."""
        return f"{Layout.REGISTRY}/{model}/v{number:04d}"

    @staticmethod
    def ruling(partition: Partition, number: int) -> str:
        """Folder of one decision of a person about a partition."""
        return f"{Layout.of(Layout.RULINGS, partition)}/r{number:04d}"

    @staticmethod
    def decision(model: str, number: int) -> str:
        """Folder of one decision about a model's versions."""
        return f"{Layout.DECISIONS}/{model}/d{number:04d}"
