"""A Kafka topic as a live source, and as a place for labels.

Settings are those of librdkafka, by their names. Secrets come from the environment: ``BEAMBELL_KAFKA_SASL_PASSWORD`` is
the setting ``sasl.password``, and so with every other.
"""

from beambell.live.kafka.client import client_settings
from beambell.live.kafka.sink import KafkaSink
from beambell.live.kafka.source import KafkaSource

__all__ = ["KafkaSink", "KafkaSource", "client_settings"]
