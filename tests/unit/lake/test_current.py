"""A kept handle shows what a new one would."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from lake.commit import append
from lake.commit_log import CommitLog
from lake.current import current_table
from lake.tables import create_table, open_table

STREAM = "dot__departures"


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


def land(log: CommitLog, contract: Contract, start: int, count: int) -> None:
    schema = landed_schema(contract)
    columns = {
        "kafka_partition": [0] * count,
        "kafka_offset": list(range(start, start + count)),
        "ingest_date": [date(2026, 3, 1)] * count,
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(count, f.type) for f in schema]
    append(log, pa.Table.from_arrays(arrays, schema=schema), {0: (start, start + count)}, "rules")


def assert_current(lake: Path, contract: Contract) -> None:
    kept, new = current_table(lake, contract, "landed"), open_table(lake, contract, "landed")
    assert kept is not None and new is not None
    assert (kept.version(), sorted(kept.file_uris())) == (new.version(), sorted(new.file_uris()))
    assert (kept.metadata().id, kept.schema()) == (new.metadata().id, new.schema())


def test_new_commits_are_seen_by_the_same_handle(tmp_path: Path, contract: Contract) -> None:
    assert current_table(tmp_path, contract, "landed") is None
    log = CommitLog(create_table(tmp_path, contract, "landed", "cluster/topic"))
    first = current_table(tmp_path, contract, "landed")
    for start in (0, 5, 10):
        land(log, contract, start, 5)
        assert_current(tmp_path, contract)
    assert current_table(tmp_path, contract, "landed") is first


def test_a_table_made_anew_is_not_taken_for_the_old_one(tmp_path: Path, contract: Contract) -> None:
    land(CommitLog(create_table(tmp_path, contract, "landed", "cluster/topic")), contract, 0, 5)
    current_table(tmp_path, contract, "landed")
    shutil.rmtree(tmp_path / "landed")
    assert current_table(tmp_path, contract, "landed") is None
    for rows in (3, 4):
        land(CommitLog(create_table(tmp_path, contract, "landed", "cluster/topic")), contract, 0, rows)
        assert_current(tmp_path, contract)
        shutil.rmtree(tmp_path / "landed")


def test_a_table_whose_old_entries_are_gone_is_read_anew(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path, contract, "landed", "cluster/topic"))
    land(log, contract, 0, 5)
    current_table(tmp_path, contract, "landed")
    for start in (5, 10):
        land(log, contract, start, 5)
    table = open_table(tmp_path, contract, "landed")
    assert table is not None
    table.create_checkpoint()
    for entry in (tmp_path / "landed" / STREAM / "_delta_log").glob("*0[01].json"):
        entry.unlink()
    assert_current(tmp_path, contract)
