"""Decisions on quarantined rows in tables that are older than the columns they are written to."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from datacentre.contracts import Contract
from datacentre.contracts.columns import QUARANTINE
from lake.commit import append
from lake.commit_log import CommitLog
from lake.decisions import Decision, decide
from lake.offsets import held_offsets
from lake.quarantine import EVERYTHING, Selection, count_open, open_offsets, rejected_records, replays, whole_record
from lake.tables import create_table, open_table, table_folder
from lake.upkeep import keep_up

NEW_COLUMNS = ("replay_id", "patch", "decided_by", "decided_at", "reason")
AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
DAY = AT.date()


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["pmo__deliberation_vote"]


def rows(offsets: range, schema: pa.Schema, partition: int = 0, day: date = DAY) -> pa.Table:
    found = [
        {
            "kafka_partition": partition,
            "kafka_offset": offset,
            "broker_time": AT,
            "ingest_date": day,
            "record_key": b"k",
            "value": b"v" * 500,
            "broken_rules": ["vote.allowed", *(["vote.type"] if offset % 2 else [])],
            "contract_version": "1.0.0",
            "contract_hash": "c" * 64,
            "status": "open",
        }
        for offset in offsets
    ]
    return pa.Table.from_pylist(found, schema=schema)


@pytest.fixture
def lake(tmp_path: Path, contract: Contract) -> Path:
    """A quarantine of ten rows as it was before it had the new columns."""
    older = pa.schema([f for f in QUARANTINE if f.name not in NEW_COLUMNS])
    create_table(tmp_path, contract, "landed", "cluster/topic")
    table = DeltaTable.create(
        table_folder(tmp_path, "quarantine", contract.key),
        schema=older,
        partition_by=["ingest_date"],
        configuration={"datacentre.topic": "cluster/topic"},
        raise_if_key_not_exists=False,
    )
    append(CommitLog(table), rows(range(10), older), {0: (0, 10)}, "rules")
    return tmp_path


def opened(lake: Path, contract: Contract) -> DeltaTable:
    table = open_table(lake, contract, "quarantine")
    assert table is not None
    return table


def test_an_older_table_can_be_read_decided_on_and_kept_up(lake: Path, contract: Contract) -> None:
    assert [(c.rule, c.records) for c in count_open(lake, contract)] == [("vote.allowed", 10), ("vote.type", 5)]
    marked = Decision("replayed", "r-1", None, "tshering", AT)
    decide(
        opened(lake, contract), open_offsets(lake, contract, Selection(rule="vote.type")), "open", marked, "replay/1"
    )
    assert {i: [int(n) for n in o[0]] for i, o in replays(lake, contract).items()} == {"r-1": [1, 3, 5, 7, 9]}
    assert list(held_offsets(lake, contract, "quarantine")[0]) == [0, 2, 4, 6, 8]
    append(CommitLog(opened(lake, contract)), rows(range(10, 12), QUARANTINE), {0: (10, 12)}, "rules")
    for offset in range(12, 20):
        append(
            CommitLog(opened(lake, contract)),
            rows(range(offset, offset + 1), QUARANTINE),
            {0: (offset, offset + 1)},
            "rules",
        )
    (done,) = [u for u in keep_up(lake, contract, 0) if u.layer == "quarantine"]
    assert done.made == 1
    assert [int(n) for n in open_offsets(lake, contract, EVERYTHING)[0]] == [0, 2, 4, 6, 8, *range(10, 20)]
    record = whole_record(lake, contract, 0, 3)
    assert record is not None
    assert (record.replay_id, record.decided_at, record.value) == ("r-1", AT, b"v" * 500)


def test_a_decision_is_made_once_and_only_on_rows_in_the_state_it_was_made_for(lake: Path, contract: Contract) -> None:
    table = opened(lake, contract)
    first = Decision("dismissed", None, None, "tshering", AT, "first")
    decide(table, {0: open_offsets(lake, contract, EVERYTHING)[0][:4]}, "open", first, "dismissal/1")
    version = table.version()
    decide(table, open_offsets(lake, contract, EVERYTHING), "open", Decision("dismissed"), "dismissal/1")
    assert table.version() == version, "the same decision is not made twice"
    decide(table, {0: open_offsets(lake, contract, EVERYTHING)[0] - 4}, "open", Decision("dismissed"), "dismissal/2")
    record = whole_record(lake, contract, 0, 2)
    assert record is not None
    assert record.reason == "first"


def test_the_selection_counts_by_rule_and_day(lake: Path, contract: Contract) -> None:
    later = date(2026, 3, 2)
    append(CommitLog(opened(lake, contract)), rows(range(3), QUARANTINE, 1, later), {1: (0, 3)}, "rules")
    counts = [(c.rule, c.day, c.records) for c in count_open(lake, contract)]
    assert counts == [
        ("vote.allowed", later, 3),
        ("vote.type", later, 1),
        ("vote.allowed", DAY, 10),
        ("vote.type", DAY, 5),
    ]
    assert [(c.rule, c.records) for c in count_open(lake, contract, Selection("vote.type", later))] == [
        ("vote.type", 1)
    ]
    assert [(r.partition, r.offset) for r in rejected_records(lake, contract, Selection(at=(1, 2)), 5)] == [(1, 2)]
    assert len(rejected_records(lake, contract, EVERYTHING, 5)[0].value or b"") == 400
