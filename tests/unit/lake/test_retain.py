"""Rows leave all tables of a stream when their contract keeps them no longer; the sink goes on beside it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.pseudonym import PseudonymKey
from lake.offsets import held_offsets
from lake.retain import let_go
from lake.upkeep import keep_up

TOPIC = Topic("dcrc__cid_issuance", "cluster/topic", {0: 0}, {0: 0})
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 10


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return replace(contracts["dcrc__cid_issuance"], lake_retention_days=DAYS)


def batch(contract: Contract, start: int, following: int) -> Batch:
    """One record a day, every third in quarantine, all others with an identity."""
    made = Batch()
    made.advance(0, start, following)
    for offset in range(start, following):
        fields = {
            "event_id": f"e{offset}",
            "source": "dcrc/bcrs",
            "event_time": "2026-02-01T10:00:00Z",
            "schema": contract.schema_tag,
            "application_id": "CID-1",
            "step": "submitted" if offset % 3 else "unheard_of",
            "cid": f"{offset:011d}",
        }
        at_ms = int((FIRST + timedelta(days=offset)).timestamp() * 1000)
        made.add(Chunk.of(contract.key, [(0, offset, at_ms, b"CID-1", json.dumps(fields).encode())]))
    return made


def held(lake: Path, contract: Contract) -> dict[str, list[int]]:
    found = {layer: held_offsets(lake, contract, layer) for layer in ("landed", "vault", "quarantine")}
    return {layer: offsets[0].tolist() if offsets else [] for layer, offsets in found.items()}


def test_what_came_in_too_long_ago_goes_from_every_table(tmp_path: Path, contract: Contract) -> None:
    writer = StreamWriter(tmp_path, contract, PseudonymKey("k1", b"s" * 32), TOPIC)
    for start in range(0, 20, 5):
        writer.commit(batch(contract, start, start + 5))
    keep_up(tmp_path, contract, retention_hours=168)
    before = held(tmp_path, contract)

    today = date(2026, 3, 17)  # the rows of 7 March on are kept, offset 6
    gone = let_go(tmp_path, contract, today)
    assert held(tmp_path, contract) == {layer: [o for o in offsets if o >= 6] for layer, offsets in before.items()}
    assert gone == {"vault": 4, "quarantine": 2, "landed": 4}
    assert let_go(tmp_path, contract, today) == {}

    writer.commit(batch(contract, 20, 25))
    assert writer.positions([0]) == {0: 25}
    assert StreamWriter(tmp_path, contract, PseudonymKey("k1", b"s" * 32), TOPIC).positions([0]) == {0: 25}
    assert let_go(tmp_path, contract, date(2027, 3, 1))["landed"] == 12
    assert held(tmp_path, contract) == {"landed": [], "vault": [], "quarantine": []}
    assert StreamWriter(tmp_path, contract, PseudonymKey("k1", b"s" * 32), TOPIC).positions([0]) == {0: 25}
    keep_up(tmp_path, contract, retention_hours=0)
    assert list(tmp_path.rglob("*.parquet")) == list(tmp_path.rglob("*.checkpoint.parquet"))
