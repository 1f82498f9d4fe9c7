"""Whose rows an erasure touches, what it leaves of them, and that it gets on with sinks."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datacentre.contracts import Contract
from datacentre.contracts.columns import QUARANTINE, landed_schema, vault_schema
from datacentre.pseudonym import PseudonymKey
from lake.commit import append
from lake.commit_log import CommitLog
from lake.erase import Decided, Traces, erase_from_quarantine, erase_from_vault, find_traces
from lake.person import Person
from lake.snapshot import snapshot
from lake.tables import create_table, table_folder

CID, CHILD, OTHER = "11705551234", "11705559999", "11705558888"
KEY = PseudonymKey("k1", b"s" * 32)
PERSON = Person(KEY.pseudonym(CID), KEY, ["^[0-9]{11}$"])
AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
ORIGIN = {"kafka_partition": 0, "broker_time": AT, "ingest_date": AT.date()}

ROWS = [
    {"record_key": "A-1", "given_name": "Zangmo"},  # before the identifier was assigned
    {"record_key": "A-1", "cid": CID, "given_name": "Zangmo", "guardian_cid": OTHER},
    {"record_key": "A-2", "cid": CHILD, "given_name": "Dorji", "guardian_cid": CID},
    {"record_key": "A-1", "cid": OTHER, "given_name": "Pema"},  # the same case, but of somebody else
    {"record_key": "A-3", "given_name": "Sonam"},
    {"record_key": "A-4", "cid": OTHER, "given_name": "Pema", "reason": f"sister of {CID}"},
]
HELD = [
    {"record_key": b"A-9", "value": f'{{"cid": {CID}'.encode()},
    {"record_key": b"A-1", "value": b'{"given_name": "Zangmo"'},
    {"record_key": b"A-9", "value": f'{{"cid": {OTHER}'.encode()},
    {"record_key": b"A-9", "value": b"{", "reason": f"of {CID}", "status": "dismissed"},
    {"record_key": CID.encode(), "value": b"{", "status": "replayed"},
]


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["dcrc__cid_issuance"]


def identified(row: dict, offset: int) -> dict:
    keys = {"person_key": row.get("cid"), "guardian_person_key": row.get("guardian_cid")}
    return {**ORIGIN, "kafka_offset": offset, **row, **{n: v and KEY.pseudonym(v) for n, v in keys.items()}}


@pytest.fixture
def lake(tmp_path: Path, contract: Contract) -> Path:
    rows = [identified(row, n) for n, row in enumerate(ROWS)]
    held = [{**ORIGIN, "kafka_offset": 10 + n, "status": "open", **row} for n, row in enumerate(HELD)]
    landed = [{**row, "is_deleted": False, "has_identity": True} for row in rows]
    for layer, found, schema in (
        ("vault", rows, vault_schema(contract)),
        ("quarantine", held, QUARANTINE),
        ("landed", landed, landed_schema(contract)),
    ):
        log = CommitLog(create_table(tmp_path, contract, layer, "cluster/topic"))
        append(log, pa.Table.from_pylist(found, schema=schema), {0: (0, 20)}, "rules")
    return tmp_path


def read(lake: Path, contract: Contract, layer: str) -> dict[int, dict]:
    files = snapshot(lake, contract, layer).files
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return {row["kafka_offset"]: row for row in rows}


def offsets(traces: Traces) -> list[list[int]]:
    return [[int(o) for o in part.get(0, [])] for part in (traces.own, traces.mentions, traces.quarantined)]


def erase(lake: Path, contract: Contract) -> None:
    traces = find_traces(lake, contract, PERSON)
    erase_from_vault(lake, contract, PERSON, traces)
    erase_from_quarantine(lake, contract, PERSON, traces, Decided("tshering", AT, "erased by request 1"))


def test_whose_rows_are_found(lake: Path, contract: Contract) -> None:
    assert offsets(find_traces(lake, contract, PERSON)) == [[0, 1], [2, 5], [10, 11, 13, 14]]


def test_the_vault_keeps_every_row_and_the_identity_of_others(lake: Path, contract: Contract) -> None:
    before = read(lake, contract, "vault")
    erase(lake, contract)
    after = read(lake, contract, "vault")
    assert sorted(after) == [0, 1, 2, 3, 4, 5]
    nameless = dict.fromkeys((f.name for f in contract.identifiers), None)
    assert after[0] == before[0] | nameless
    assert after[1] == before[1] | nameless | {"guardian_cid": OTHER}
    assert after[2] == before[2] | {"guardian_cid": None}
    assert after[5] == before[5] | {"reason": None}
    assert [after[n] for n in (3, 4)] == [before[n] for n in (3, 4)]


def test_quarantine_keeps_every_row_without_its_bytes(lake: Path, contract: Contract) -> None:
    before = read(lake, contract, "quarantine")
    erase(lake, contract)
    after = read(lake, contract, "quarantine")
    assert {n: row["value"] for n, row in after.items()} == {
        n: b'{"cid": 11705558888' if n == 12 else None for n in before
    }
    assert {n: row["status"] for n, row in after.items()} == {
        10: "dismissed",
        11: "dismissed",
        12: "open",
        13: "dismissed",
        14: "replayed",
    }
    assert after[14]["record_key"] is None
    assert after[13]["reason"] == "erased by request 1"
    assert after[12] == before[12]


def test_nothing_is_left_on_disk_but_what_a_sink_may_be_about_to_commit(lake: Path, contract: Contract) -> None:
    folder = table_folder(lake, "vault", contract.key) / "ingest_date=2026-03-01"
    (old,) = folder.iterdir()
    orphan, upload = folder / "orphan.parquet", folder / "upload.parquet"
    for file in (orphan, upload):
        file.write_bytes(old.read_bytes())
    os.utime(orphan, (time.time() - 7200,) * 2)
    erase(lake, contract)
    assert not old.exists() and not orphan.exists()
    assert upload.exists()
    assert len(list(folder.iterdir())) == 2


def test_a_sink_goes_on_behind_an_erasure(lake: Path, contract: Contract) -> None:
    log = CommitLog(create_table(lake, contract, "vault", "cluster/topic"))
    erase(lake, contract)
    more = pa.Table.from_pylist([identified({"record_key": "A-7", "cid": OTHER}, 20)], schema=vault_schema(contract))
    append(log, more, {0: (20, 21)}, "rules")
    assert sorted(read(lake, contract, "vault")) == [0, 1, 2, 3, 4, 5, 20]


def test_twice_is_once(lake: Path, contract: Contract) -> None:
    erase(lake, contract)
    once = [read(lake, contract, layer) for layer in ("vault", "quarantine")]
    assert offsets(find_traces(lake, contract, PERSON)) == [[0, 1], [2], []]
    erase(lake, contract)
    assert [read(lake, contract, layer) for layer in ("vault", "quarantine")] == once
