"""A real broker on loopback for the heavy tests; where Java or Maven is missing, they say so and are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from servers.fetched import NotInstalledError
from servers.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """Give a Kafka broker that tests may kill, and start again."""
    pytest.importorskip("confluent_kafka")
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    try:
        server.__enter__()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.__exit__()
