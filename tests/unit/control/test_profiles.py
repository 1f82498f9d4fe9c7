"""What has landed by hour, counted once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from datacentre.control.profiles import (
    KEPT_DAYS,
    Slice,
    add,
    counts_by_day,
    last_hour,
    opened_hours,
    positions,
    rows_in,
)
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened, writing

STREAM = "rcsc__service_feedback"
NOON = datetime(2025, 6, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def piece(hour: datetime, partition: int, start: int, rows: int, **classes: int) -> Slice:
    return Slice(hour, partition, rows, start, start + rows, {"class__rating": classes})


def count(control: sa.Engine, *pieces: Slice) -> None:
    counted = positions(control, STREAM)
    with writing(control) as connection:
        add(connection, STREAM, pieces, counted)


def test_an_hour_adds_up_over_increments_and_partitions(control: sa.Engine) -> None:
    count(control, piece(NOON, 0, 0, 5, four=5), piece(NOON, 1, 0, 2, five=2))
    count(control, piece(NOON, 0, 5, 3, four=1, five=2), piece(NOON + HOUR, 0, 8, 1))
    assert rows_in(control, STREAM, [NOON, NOON + HOUR, NOON - HOUR]) == {NOON: 10, NOON + HOUR: 1, NOON - HOUR: 0}
    day = NOON.replace(hour=0)
    assert counts_by_day(control, STREAM, day, day + 24 * HOUR) == {day: {"class__rating": {"four": 6, "five": 4}}}
    assert positions(control, STREAM) == {0: 9, 1: 2}
    assert last_hour(control, STREAM) == NOON + HOUR and last_hour(control, "dot__departures") is None


def test_rows_that_another_check_has_counted_are_not_counted_again(control: sa.Engine) -> None:
    with writing(control) as connection:
        add(connection, STREAM, [piece(NOON, 0, 0, 5)], {})
        add(connection, STREAM, [piece(NOON, 0, 0, 5), piece(NOON, 1, 0, 4)], {})
    assert rows_in(control, STREAM, [NOON]) == {NOON: 9}


def test_an_hour_is_opened_once_whichever_partition_reaches_it_first(control: sa.Engine) -> None:
    count(control, piece(NOON, 0, 0, 5), piece(NOON, 1, 0, 5))
    count(control, piece(NOON + 3 * HOUR, 1, 5, 5))
    count(control, piece(NOON + 3 * HOUR, 0, 5, 5), piece(NOON + 4 * HOUR, 0, 10, 5))
    assert opened_hours(control, STREAM, [OffsetRange(0, 0, 5), OffsetRange(1, 0, 5)]) == []
    assert opened_hours(control, STREAM, [OffsetRange(1, 5, 10)]) == [(NOON + 3 * HOUR, NOON)]
    assert opened_hours(control, STREAM, [OffsetRange(0, 5, 15)]) == [(NOON + 4 * HOUR, NOON + 3 * HOUR)]


def test_hours_that_no_rule_asks_for_any_more_are_forgotten(control: sa.Engine) -> None:
    count(control, piece(NOON, 0, 0, 5))
    count(control, piece(NOON + timedelta(days=KEPT_DAYS) + HOUR, 0, 5, 5))
    assert rows_in(control, STREAM, [NOON]) == {NOON: 0}
    assert positions(control, STREAM) == {0: 10}
