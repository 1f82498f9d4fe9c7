"""A topic follows its contract's retention, when it is made and when the contract changes."""

from dataclasses import replace

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from connectors.topic_settings import keep_to_contract
from connectors.topics import admin_client
from datacentre.contracts import Contract
from datacentre.settings import Settings
from datacentre.stages.retain import retain
from tests.votes import STREAM

pytestmark = pytest.mark.broker


def settings_of(centre: Settings, topic: str) -> dict[str, str]:
    admin = admin_client(centre.bootstrap_servers)
    try:
        told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])["topic"][topic]
    finally:
        admin.close()
    return {name: entry["value"] for name, entry in told.items()}


def test_the_topic_gets_what_the_contract_says_now(centre: Settings, contracts: dict[str, Contract]) -> None:
    contract = contracts[STREAM]
    assert settings_of(centre, STREAM)["retention.ms"] == str(contract.topic_retention_hours * 3_600_000)
    assert keep_to_contract(centre.bootstrap_servers, contracts.values()) == {}

    changed = replace(contract, topic_retention_hours=5)
    assert keep_to_contract(centre.bootstrap_servers, [changed]) == {STREAM: {"retention.ms": "18000000"}}
    assert settings_of(centre, STREAM)["retention.ms"] == "18000000"
    (outcome,) = retain(centre)
    assert (outcome.stream, outcome.detail["rows"]) == (STREAM, {})
    assert settings_of(centre, STREAM)["retention.ms"] == str(contract.topic_retention_hours * 3_600_000)
    assert retain(centre) == ()
