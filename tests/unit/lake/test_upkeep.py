"""Compaction and clean-up beside a writing sink."""

import json
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.pseudonym import PseudonymKey
from lake.offsets import held_offsets
from lake.tables import open_table, table_folder
from lake.upkeep import keep_up

TOPIC = Topic("dcrc__cid_issuance", "cluster/topic", {0: 0}, {0: 0})
CID = "11305002352"


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["dcrc__cid_issuance"]


def commit(writer: StreamWriter, contract: Contract, offset: int) -> None:
    fields = {
        "event_id": f"e{offset}",
        "source": "dcrc/bcrs",
        "event_time": "2026-03-01T10:00:00Z",
        "schema": contract.schema_tag,
        "application_id": "CID-1",
        "step": "submitted",
        "cid": CID,
    }
    made = Batch()
    made.advance(0, offset, offset + 1)
    made.add(Chunk.of(contract.key, [(0, offset, 1_780_000_000_000, b"CID-1", json.dumps(fields).encode())]))
    writer.commit(made)


def open_writer(lake: Path, contract: Contract) -> StreamWriter:
    return StreamWriter(lake, contract, PseudonymKey("k1", b"s" * 32), TOPIC)


def test_small_files_become_one_and_the_sink_goes_on(tmp_path: Path, contract: Contract) -> None:
    writer = open_writer(tmp_path, contract)
    for offset in range(12):
        commit(writer, contract, offset)
    done = {d.layer: d for d in keep_up(tmp_path, contract, retention_hours=0)}
    assert (done["landed"].merged, done["landed"].made) == (12, 1)
    assert done["landed"].deleted == 12
    commit(writer, contract, 12)
    assert held_offsets(tmp_path, contract, "landed")[0].tolist() == list(range(13))
    assert held_offsets(tmp_path, contract, "vault")[0].tolist() == list(range(13))


def test_replaced_files_stay_for_the_readers_of_before(tmp_path: Path, contract: Contract) -> None:
    writer = open_writer(tmp_path, contract)
    for offset in range(12):
        commit(writer, contract, offset)
    table = open_table(tmp_path, contract, "landed")
    assert table is not None
    before = table.file_uris()
    keep_up(tmp_path, contract, retention_hours=168)
    assert all(Path(f).exists() for f in before)
    assert len(table.to_pyarrow_table()) == 12


def test_no_identifier_gets_into_a_log(tmp_path: Path, contract: Contract) -> None:
    writer = open_writer(tmp_path, contract)
    for offset in range(12):
        commit(writer, contract, offset)
    keep_up(tmp_path, contract, retention_hours=0)
    table = DeltaTable(table_folder(tmp_path, "vault", contract.key))
    table.create_checkpoint()
    assert CID in table.to_pyarrow_table()["cid"].to_pylist()
    logs = list((table_folder(tmp_path, "vault", contract.key) / "_delta_log").iterdir())
    texts = [f.read_text() for f in logs if f.suffix == ".json"]
    checkpoints = [str(pq.read_table(f).to_pylist()) for f in logs if f.suffix == ".parquet"]
    assert checkpoints and all(CID not in text for text in texts + checkpoints)


def test_the_sink_recovers_when_compaction_comes_first(tmp_path: Path, contract: Contract) -> None:
    """It commits between the sink's look at the table and its own commit."""
    writer = open_writer(tmp_path, contract)
    for offset in range(12):
        commit(writer, contract, offset)
    stale = open_writer(tmp_path, contract)
    keep_up(tmp_path, contract, retention_hours=0)
    commit(stale, contract, 12)
    assert held_offsets(tmp_path, contract, "landed")[0].tolist() == list(range(13))


def test_wrongly_dated_events_make_one_partition(tmp_path: Path, contract: Contract) -> None:
    """Files are dated by the broker's clock, not by what a record says."""
    writer = open_writer(tmp_path, contract)
    made = Batch()
    made.advance(0, 0, 300)
    records = []
    for offset in range(300):
        fields = {
            "event_id": f"e{offset}",
            "source": "dcrc/bcrs",
            "event_time": f"{1900 + offset % 120}-03-01T10:00:00Z",
            "schema": contract.schema_tag,
            "application_id": "CID-1",
            "step": "submitted",
        }
        records.append((0, offset, 1_780_000_000_000, b"CID-1", json.dumps(fields).encode()))
    made.add(Chunk.of(contract.key, records))
    writer.commit(made)
    folder = table_folder(tmp_path, "landed", contract.key)
    assert [f.name for f in folder.glob("ingest_date=*")] == [f"ingest_date={date(2026, 5, 28)}"]
    assert len(list(folder.rglob("*.parquet"))) == 1
