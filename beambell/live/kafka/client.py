"""Kafka's client: its settings, and what it says when something is wrong."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beambell.credentials import is_secret_option
from beambell.errors import ConfigError, LiveSourceError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, KafkaException

PREFIX = "BEAMBELL_KAFKA_"
"""What variables of the environment begin with that are settings of the client."""

MEBI = 1024 * 1024
_logger = logging.getLogger(__name__)
_logger.addHandler(logging.NullHandler())  # what the client logs of a broker that is away is said by errors, too


def client_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the client's settings: those of ``params.yaml``, and over them those of the environment.

    Parameters
    ----------
    params
        Settings by their names, such as ``{"bootstrap.servers": "kafka:9092", "security.protocol": "SASL_SSL"}``.

    Raises
    ------
    ConfigError
        If there is a secret among them, which has no place in a file, or if no broker is named.
    """
    for name in params:
        variable = PREFIX + name.upper().replace(".", "_")
        if _is_secret(name):
            raise ConfigError(
                f"{name} is a secret", where="live", fix=f"take it out, and set {variable} in the environment"
            )
    found = {
        name.removeprefix(PREFIX).lower().replace("_", "."): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }
    settings = {**params, **found}
    if not settings.get("bootstrap.servers"):
        raise ConfigError(
            "no Kafka broker is named",
            where="live",
            fix=f"set bootstrap.servers to HOST:PORT, or {PREFIX}BOOTSTRAP_SERVERS in the environment",
        )
    return settings


def _is_secret(name: str) -> bool:
    is_place = name.endswith((".url", ".location", ".uri"))
    return not is_place and (name == "ssl.key.pem" or is_secret_option("--" + name.replace(".", "_")))


def new_client(kind: str, settings: Mapping[str, Any]) -> Any:
    """Make a client.

    Parameters
    ----------
    kind
        ``Consumer`` or ``Producer``.
    settings
        All its settings.

    Raises
    ------
    LiveSourceError
        If the library is not installed.
    ConfigError
        If the client refuses its settings.
    """
    try:
        import confluent_kafka
    except ImportError:
        raise LiveSourceError(
            "Kafka's client is not installed", where="live", fix="pip install 'beambell[live]'"
        ) from None
    try:
        return getattr(confluent_kafka, kind)({"logger": _logger, **settings})
    except confluent_kafka.KafkaException as error:
        raise ConfigError(f"Kafka's client refuses its settings: {said(error)}", where="live") from None


def client_exception() -> type[KafkaException]:
    """Return the class of what the client raises: imported where it is used."""
    from confluent_kafka import KafkaException

    kind: type[KafkaException] = KafkaException
    return kind


def said(error: KafkaException | KafkaError | str) -> str:
    """Return the client's own words for what is wrong."""
    if isinstance(error, str):
        return error
    inner = error.args[0] if isinstance(error, Exception) and error.args else error
    return inner.str() if hasattr(inner, "str") else str(inner)
