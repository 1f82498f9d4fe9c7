"""Where a value first landed."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datacentre.control.landed_keys import (
    HASH_BITS,
    KEPT_DAYS,
    Landed,
    forget_before,
    landed,
    landed_elsewhere,
    remember,
)
from datacentre.control.store import opened, writing
from datacentre.control.tables import landed_key

TODAY = date(2025, 6, 1)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def note(control: sa.Engine, rows: list[Landed]) -> None:
    with writing(control) as connection:
        remember(connection, rows)


def test_the_first_place_of_a_key_stays(control: sa.Engine) -> None:
    note(control, [(7, 0, 10), (8, 0, 11), (7, 0, 12)])
    note(control, [(7, 1, 0)])
    assert landed_elsewhere(control, [(7, 0, 10), (8, 0, 11)]) == []
    assert landed_elsewhere(control, [(7, 0, 12), (7, 1, 0), (9, 1, 1)]) == [(7, 0, 12), (7, 1, 0)]
    assert landed(control, [(7, 5, 5), (9, 1, 1)]) == [(7, 5, 5)]


def test_keys_of_old_events_are_forgotten_but_not_those_that_are_looked_up(control: sa.Engine) -> None:
    oldest = (TODAY - timedelta(days=KEPT_DAYS) - date(1970, 1, 1)).days << HASH_BITS
    note(control, [(oldest - 1, 0, 0), (oldest, 0, 1), (0, 0, 2), (-1, 0, 3), (-(2**63), 0, 4)])
    with writing(control) as connection:
        forget_before(connection, TODAY)
    asked = [(key, 9, 9) for key in (oldest - 1, oldest, 0, -1, -(2**63))]
    assert landed(control, asked) == [asked[1], *asked[3:]]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=8), max_size=5))
def test_increments_asked_again_in_any_order_find_the_same_repeats(
    control: sa.Engine, increments: list[list[int]]
) -> None:
    with writing(control) as connection:
        connection.execute(landed_key.delete())
    rows = [[(key, n, offset) for offset, key in enumerate(keys)] for n, keys in enumerate(increments)]
    seen: set[int] = set()
    for increment in rows:
        note(control, increment)
        repeats = [row for row in increment if row[0] in seen or seen.add(row[0])]  # type: ignore[func-returns-value]
        assert sorted(landed_elsewhere(control, increment)) == sorted(repeats)
    first = [landed_elsewhere(control, increment) for increment in rows]
    for increment in reversed(rows):
        note(control, increment)
    assert [landed_elsewhere(control, increment) for increment in rows] == first
