"""The copy of the certified rows follows the certificates, whatever happens to them."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.control.certificates import CertifiedRange
from lake.certified_rows import follow_certificates, forget_lost_rows, has_lost_rows
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import create_table
from lake.upkeep import keep_up

STREAM = "dot__departures"
AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
Rows = set[tuple[int, int, int]]


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


def land(log: CommitLog, contract: Contract, partition: int, start: int, count: int) -> None:
    schema = landed_schema(contract)
    columns = {
        "kafka_partition": [partition] * count,
        "kafka_offset": list(range(start, start + count)),
        "broker_time": [AT] * count,
        "ingest_date": [date(2026, 3, 1)] * count,
        "flight": [f"KB{partition}-{offset}" for offset in range(start, start + count)],
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(count, f.type) for f in schema]
    append(log, pa.Table.from_arrays(arrays, schema=schema), {partition: (start, start + count)}, "rules")


def followed(tmp_path: Path, contract: Contract, certified: list[CertifiedRange]) -> Rows:
    file = tmp_path / "certified.duckdb"
    follow_certificates(file, tmp_path / "lake", {STREAM: contract}, {STREAM: certified})
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(f"select kafka_partition, kafka_offset, certificate_id from {STREAM}").fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


def wanted(certified: list[CertifiedRange], ends: dict[int, int]) -> Rows:
    return {
        (r.partition, offset, r.certificate_id)
        for r in certified
        for offset in range(r.start_offset, min(r.next_offset, ends.get(r.partition, 0)))
    }


def folded(certified: list[CertifiedRange]) -> list[CertifiedRange]:
    """Neighbours under the highest of their numbers."""
    runs: list[CertifiedRange] = []
    for following in sorted(certified, key=lambda r: (r.partition, r.start_offset)):
        if runs and (runs[-1].partition, runs[-1].next_offset) == (following.partition, following.start_offset):
            number = max(runs[-1].certificate_id, following.certificate_id)
            runs[-1] = replace(runs[-1], certificate_id=number, next_offset=following.next_offset)
        else:
            runs.append(following)
    return runs


@pytest.mark.parametrize("seed", range(4))
def test_it_holds_what_the_certificates_cover(tmp_path: Path, contract: Contract, seed: int) -> None:
    chance = random.Random(seed)
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    ends, certified, numbered = {0: 0, 1: 0}, [], 0
    for _ in range(8):
        for _ in range(chance.randint(1, 4)):
            partition, count = chance.randint(0, 1), chance.randint(1, 9)
            land(log, contract, partition, ends[partition], count)
            numbered += 1
            if chance.random() < 0.7:
                certified.append(CertifiedRange(numbered, partition, ends[partition], ends[partition] + count))
            ends[partition] += count
        if certified and chance.random() < 0.5:  # checked anew: the same offsets under another number
            numbered += 1
            given_up = certified.pop(chance.randrange(len(certified)))
            certified.append(replace(given_up, certificate_id=numbered))
        if certified and chance.random() < 0.3:
            certified.pop(chance.randrange(len(certified)))
        if chance.random() < 0.4:
            certified = folded(certified)
        if chance.random() < 0.3:
            keep_up(tmp_path / "lake", contract, retention_hours=0)
            log.follow()
        assert followed(tmp_path, contract, certified) == wanted(certified, ends)


def test_what_it_has_is_not_read_again(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 5)
    first = CertifiedRange(1, 0, 0, 5)
    assert len(followed(tmp_path, contract, [first])) == 5
    for file in (tmp_path / "lake").rglob("*.parquet"):
        file.unlink()
    land(log, contract, 0, 5, 3)

    assert len(followed(tmp_path, contract, [first, CertifiedRange(2, 0, 5, 8)])) == 8


def test_what_was_folded_is_not_read_again(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 9)
    several = [CertifiedRange(1, 0, 0, 5), CertifiedRange(3, 0, 7, 9), CertifiedRange(2, 0, 5, 7)]
    followed(tmp_path, contract, several)
    for file in (tmp_path / "lake").rglob("*.parquet"):
        file.unlink()

    assert followed(tmp_path, contract, folded(several)) == {(0, offset, 3) for offset in range(9)}
    assert not has_lost_rows(tmp_path / "certified.duckdb")


def test_what_was_checked_anew_as_one_is_read_again(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 9)
    followed(tmp_path, contract, [CertifiedRange(1, 0, 0, 5), CertifiedRange(2, 0, 5, 9)])
    for file in (tmp_path / "lake").rglob("*.parquet"):
        file.unlink()

    with pytest.raises(Exception, match="parquet"):
        followed(tmp_path, contract, [CertifiedRange(3, 0, 0, 9)])


def test_a_stream_with_other_columns_is_copied_whole(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 5)
    certified = [CertifiedRange(1, 0, 0, 5)]
    followed(tmp_path, contract, certified)
    with duckdb.connect(str(tmp_path / "certified.duckdb")) as connection:
        connection.execute(f"alter table {STREAM} drop column event_id")

    assert len(followed(tmp_path, contract, certified)) == 5
    with duckdb.connect(str(tmp_path / "certified.duckdb")) as connection:
        connection.execute(f"select event_id from {STREAM}")


def test_a_column_that_no_file_has_yet_is_null(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 5)
    added = replace(contract.fields[-1], name="belly_cargo_kg")
    evolved = replace(contract, fields=(*contract.fields, added))

    assert len(followed(tmp_path, evolved, [CertifiedRange(1, 0, 0, 5)])) == 5


def test_a_certificate_that_is_cut_twice_keeps_the_rest(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 30)
    followed(tmp_path, contract, [CertifiedRange(7, 0, 0, 10), CertifiedRange(7, 0, 20, 30)])
    cut = [CertifiedRange(7, 0, 0, 10), CertifiedRange(7, 0, 25, 30), CertifiedRange(9, 0, 10, 25)]

    assert followed(tmp_path, contract, cut) == wanted(cut, {0: 30})


def test_rows_that_do_not_come_back_are_noted(tmp_path: Path, contract: Contract) -> None:
    file = tmp_path / "certified.duckdb"
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 20)
    followed(tmp_path, contract, [CertifiedRange(1, 0, 0, 10), CertifiedRange(2, 0, 10, 20)])
    followed(tmp_path, contract, [CertifiedRange(3, 0, 0, 10), CertifiedRange(2, 0, 10, 20)])
    assert not has_lost_rows(file)

    followed(tmp_path, contract, [CertifiedRange(3, 0, 0, 10)])
    assert has_lost_rows(file)
    followed(tmp_path, contract, [CertifiedRange(3, 0, 0, 10), CertifiedRange(4, 0, 10, 20)])
    assert has_lost_rows(file)
    forget_lost_rows(file)
    assert not has_lost_rows(file)


def test_what_the_contract_keeps_no_longer_leaves_the_copy(tmp_path: Path, contract: Contract) -> None:
    log = CommitLog(create_table(tmp_path / "lake", contract, "landed", "cluster/topic"))
    land(log, contract, 0, 0, 5)
    certified = [CertifiedRange(1, 0, 0, 5)]
    assert len(followed(tmp_path, contract, certified)) == 5

    age_days = (datetime.now(UTC).date() - date(2026, 3, 1)).days
    assert len(followed(tmp_path, replace(contract, lake_retention_days=age_days), certified)) == 5
    assert followed(tmp_path, replace(contract, lake_retention_days=age_days - 1), certified) == set()
    assert has_lost_rows(tmp_path / "certified.duckdb")
