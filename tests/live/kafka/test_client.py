"""Settings of Kafka's client, and where its secrets come from."""

from __future__ import annotations

import pytest
from kafka_topics import NOBODY

from beambell.errors import ConfigError
from beambell.live.kafka import client_settings


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAMBELL_KAFKA_SASL_PASSWORD", "xyz")
    monkeypatch.setenv("BEAMBELL_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    params = {"bootstrap.servers": "kafka:9092", "security.protocol": "PLAINTEXT"}
    assert client_settings(params) == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SASL_SSL",
        "sasl.password": "xyz",
    }


@pytest.mark.parametrize("name", ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"])
def test_a_secret_in_the_parameters_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(ConfigError, match=f"BEAMBELL_KAFKA_{name.upper().replace('.', '_')}") as caught:
        client_settings({**NOBODY, name: "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["ssl.key.location", "sasl.oauthbearer.token.endpoint.url", "sasl.username"])
def test_where_a_secret_lies_is_none(name: str) -> None:
    assert client_settings({**NOBODY, name: "there"})[name] == "there"


def test_a_broker_must_be_named() -> None:
    with pytest.raises(ConfigError, match="no Kafka broker"):
        client_settings({})
