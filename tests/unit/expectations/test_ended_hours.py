"""Which hours are judged when a stream reaches new ones."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from expectations.history_measures import ended_hours

START = datetime(2026, 6, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_each_hour_is_judged_once(steps: list[int]) -> None:
    reached = [START]
    for step in steps:
        reached.append(reached[-1] + step * HOUR)
    ended = ended_hours((hour, before) for before, hour in pairwise(reached))
    assert len(ended) == len(set(ended)) and ended == sorted(ended)
    assert ended[-1] == reached[-1] - 2 * HOUR
    if max(steps) <= 168:
        assert len(ended) == sum(steps)
