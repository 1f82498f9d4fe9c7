"""A topic follows its contract's retention, when it is made and when the contract changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topic_settings import keep_to_contract
from connectors.topics import admin_client, describe_topics
from datacentre.contracts import Contract
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from datacentre.stages.retain import retain
from lake.offsets import held_offsets
from lake.positions import landed_positions
from tests.votes import STREAM, vote

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


def test_rows_of_before_go_and_the_marts_are_built_anew(centre: Settings, contracts: dict[str, Contract]) -> None:
    contract = contracts[STREAM]
    topic = describe_topics(centre.bootstrap_servers, [contract])[STREAM]
    writer = StreamWriter(centre.lake, contract, load_or_create(centre.home, False), topic)
    long_ago, now = ((datetime.now(UTC) - timedelta(days=d)).timestamp() for d in (contract.lake_retention_days + 1, 0))
    batch = Batch()
    batch.advance(0, 0, 10)
    for offset in range(10):
        key, value = vote(contract, offset)
        value = value.replace(b"2026-03-01", b"2016-03-01")  # no record is sent before it happened
        batch.add(Chunk.of(STREAM, [(0, offset, int(1000 * (now if offset % 2 else long_ago)), key, value)]))
    writer.commit(batch)
    centre.marts.mkdir()
    (centre.marts / "built_from").write_text("the models of today")

    (outcome,) = retain(centre)
    assert outcome.detail["rows"] == {"quarantine": 1, "landed": 4}
    assert (outcome.rows_in, outcome.rows_out, outcome.rows_quarantined) == (5, 4, 1)
    assert not (centre.marts / "built_from").exists()
    assert held_offsets(centre.lake, contract, "landed")[0].tolist() == [1, 3, 5, 7, 9]
    assert landed_positions(centre.lake, contract) == {0: 10, 1: 0}
    assert retain(centre) == ()
