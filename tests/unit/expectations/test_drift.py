"""The measures of drift, as functions of two tables of counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.drift import largest_move, stability_index, unused_share

CLASSES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2000), min_size=1)
FILLED = CLASSES.filter(lambda counts: sum(counts.values()) > 0)


@given(CLASSES, CLASSES)
def test_the_index_is_never_negative_and_the_same_both_ways(now: dict[str, int], before: dict[str, int]) -> None:
    index = stability_index(now, before)
    assert index >= 0
    assert index == pytest.approx(stability_index(before, now))


@given(FILLED, st.integers(1, 50))
def test_more_of_the_same_is_no_drift(counts: dict[str, int], times: int) -> None:
    more = {name: rows * times for name, rows in counts.items()}
    assert largest_move(more, counts) == pytest.approx(0)
    assert unused_share(more, counts) == 0
    assert stability_index(counts, counts) == 0


@given(FILLED, FILLED)
def test_shares_stay_within_nought_and_one(now: dict[str, int], before: dict[str, int]) -> None:
    assert 0 <= largest_move(now, before) <= 1
    assert 0 <= unused_share(now, before) <= 1


def test_an_example_worked_out_by_hand() -> None:
    """Shares 0.1, 0.2, 0.7 become 0.2, 0.2, 0.6: 0.1 ln 2 + 0.1 ln(7/6)."""
    before = {"low": 100_000, "middle": 200_000, "high": 700_000}
    now = {"low": 200_000, "middle": 200_000, "high": 600_000}
    assert stability_index(now, before) == pytest.approx(0.08473, abs=1e-4)
    assert largest_move(now, before) == pytest.approx(0.1)


def test_a_class_that_was_never_used_is_told() -> None:
    before = {"a": 900, "b": 100, "c": 0}
    assert unused_share({"a": 80, "b": 10, "c": 10}, before) == pytest.approx(0.1)
    assert stability_index({"a": 450, "b": 50, "c": 500}, before) > 0.25
