"""Small batches of well-formed records, split as the sink splits them."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Splitter
from datacentre.contracts import Contract, load_contracts
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import REPOSITORY
from expectations.extra import find_extra
from expectations.increment import increment_query
from expectations.landed import as_frame

BROKER_TIME_MS = 1_748_764_800_000  # 2025-06-01T08:00:00Z
KEY = PseudonymKey("k1", b"s" * 32)
Record = dict[str, Any]
Records = Iterable[Record | None]


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts(REPOSITORY / "schemas")


@pytest.fixture
def visits() -> Callable[[int], list[Record]]:
    """Hospital visits: half booked with a slot, half arrived."""

    def make(count: int) -> list[Record]:
        return [_visit(number) for number in range(count)]

    return make


@pytest.fixture
def responses() -> Callable[[Iterable[int | None]], list[Record]]:
    """Exit survey responses with the given overall ratings."""

    def make(ratings: Iterable[int | None]) -> list[Record]:
        return [_response(number, rating) for number, rating in enumerate(ratings)]

    return make


@pytest.fixture
def landed() -> Callable[[Contract, Records], pa.Table]:
    """The landed rows of records; all must be good."""

    def split(contract: Contract, records: Records) -> pa.Table:
        result = Splitter(contract, KEY).split(as_batch(contract, records))
        assert result.quarantine["broken_rules"].to_pylist() == []
        return result.landed

    return split


@pytest.fixture
def as_increment() -> Callable[[Contract, pa.Table], pd.DataFrame]:
    """Landed rows as the gate gets them."""
    return increment


@pytest.fixture(name="as_batch")
def batch_maker() -> Callable[[Contract, Records], pa.Table]:
    return as_batch


def as_batch(contract: Contract, records: Records) -> pa.Table:
    """Messages over two partitions; a record of None is a deletion of its key."""
    batch = Batch()
    for number, record in enumerate(records):
        key = "gone" if record is None else str(record.get(contract.kafka_key))
        value = None if record is None else json.dumps(record).encode()
        batch.add(Chunk.of(contract.key, [(number % 2, number // 2, BROKER_TIME_MS, key.encode(), value)]))
    return batch.table()


def increment(contract: Contract, landed: pa.Table) -> pd.DataFrame:
    extra = find_extra(contract.key)
    columns: Mapping[str, str] = {} if extra is None else extra.COLUMNS
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        return as_frame(connection.sql(increment_query(contract, columns)).to_arrow_table())


@pytest.fixture
def altered() -> Callable[[pa.Table, str, Mapping[int, Any]], pa.Table]:
    """A table with some values of a column changed, by row number."""
    return with_changes


def with_changes(landed: pa.Table, column: str, changes: Mapping[int, Any]) -> pa.Table:
    values = landed[column].to_pylist()
    for row, value in changes.items():
        values[row] = value
    place = landed.schema.get_field_index(column)
    field = landed.schema.field(place)
    return landed.set_column(place, field, pa.array(values, field.type))


def _visit(number: int) -> Record:
    common = {
        "event_id": f"e{number}",
        "source": "jdwnrh/his",
        "event_time": "2025-06-01T09:00:00+06:00",
        "schema": "jdwnrh__hospital_visit@1.0.0",
        "visit_id": f"V-{number:05d}",
        "cid": f"{10_000_000_000 + number}",
        "sex": "F",
        "age_years": number % 90,
        "department_code": "OPD-MED",
    }
    if number % 2:
        return {**common, "event": "arrived", "visit_type": "walk_in", "triage": 1 + number % 5}
    slot = {"slot_date": "2025-06-03", "slot_minutes": 15}
    return {**common, "event": "booked", "visit_type": "new", **slot}


def _response(number: int, rating: int | None) -> Record:
    return {
        "event_id": f"e{number}",
        "source": "dot/survey",
        "event_time": "2025-05-31",
        "schema": "dot__exit_survey@1.0.0",
        "response_id": f"R-{number:05d}",
        "survey_version": "2025.1",
        "nights": number % 12,
        "dzongkhags_visited": ["BT01", "BT02"],
        "overall_rating": rating,
    }
