"""Ages of rows that a version of the marts shows for the first time."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.control.certificates import CertifiedRange
from datacentre.control.freshness import Freshness, newest_freshness, store_freshness
from datacentre.control.store import opened
from datacentre.settings import Settings, from_environment
from datacentre.stages.freshness import measure
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import create_table

STREAM = "jdwnrh__hospital_visit"
PUBLISHED = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"DATACENTRE_HOME": str(tmp_path)})


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


def land(log: CommitLog, contract: Contract, start: int, ages: list[int], event_ages: list[int | None]) -> None:
    """Rows of partition 0 from offset `start` on, so many seconds old at `PUBLISHED`."""
    schema = landed_schema(contract)
    columns = {
        "kafka_partition": [0] * len(ages),
        "kafka_offset": list(range(start, start + len(ages))),
        "broker_time": [PUBLISHED - timedelta(seconds=age) for age in ages],
        "event_time": [None if age is None else PUBLISHED - timedelta(seconds=age) for age in event_ages],
        "ingest_date": [date(2026, 3, 1)] * len(ages),
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(len(ages), f.type) for f in schema]
    append(log, pa.Table.from_arrays(arrays, schema=schema), {0: (start, start + len(ages))}, "rules")


def test_only_rows_of_new_certificates_count(settings: Settings, contract: Contract) -> None:
    log = CommitLog(create_table(settings.lake, contract, "landed", "cluster/topic"))
    land(log, contract, 0, [9_000] * 10, [9_000] * 10)
    land(log, contract, 10, list(range(1, 102)), [2 * age for age in range(1, 102)])
    certified = {STREAM: [CertifiedRange(1, 0, 0, 10), CertifiedRange(2, 0, 10, 61), CertifiedRange(3, 0, 61, 111)]}
    (found,) = measure(settings, {STREAM: contract}, certified, 1, "centre-7", PUBLISHED)
    assert found == Freshness(STREAM, "centre-7", PUBLISHED, 101, 51.0, 96.0, 102.0, 192.0)
    (later,) = measure(settings, {STREAM: contract}, certified, 2, "centre-8", PUBLISHED)
    assert later.rows == 50
    assert list(measure(settings, {STREAM: contract}, certified, 3, "centre-9", PUBLISHED)) == []


def test_events_with_a_date_alone_have_no_age(settings: Settings, contract: Contract) -> None:
    log = CommitLog(create_table(settings.lake, contract, "landed", "cluster/topic"))
    land(log, contract, 0, [5, 7], [None, None])
    certified = {STREAM: [CertifiedRange(1, 0, 0, 2)]}
    (found,) = measure(settings, {STREAM: contract}, certified, 0, "centre-1", PUBLISHED)
    assert (found.produced_p50, found.event_p50, found.event_p95) == (6.0, None, None)


def test_certified_ranges_without_a_landed_row_are_left_out(settings: Settings, contract: Contract) -> None:
    log = CommitLog(create_table(settings.lake, contract, "landed", "cluster/topic"))
    land(log, contract, 0, [], [])
    certified = {STREAM: [CertifiedRange(1, 0, 0, 5)]}
    assert list(measure(settings, {STREAM: contract}, certified, 0, "centre-1", PUBLISHED)) == []


def test_the_newest_of_each_stream_is_shown(settings: Settings) -> None:
    first = Freshness("a", "centre-1", PUBLISHED, 3, 1.0, 2.0, None, None)
    other = Freshness("b", "centre-1", PUBLISHED, 3, 4.0, 5.0, 6.0, 7.0)
    second = Freshness("a", "centre-2", PUBLISHED, 1, 8.0, 9.0, None, None)
    with opened(settings.control_url) as control:
        store_freshness(control, [first, other])
        store_freshness(control, [])
        store_freshness(control, [second])
        assert newest_freshness(control) == {"a": second, "b": other}
