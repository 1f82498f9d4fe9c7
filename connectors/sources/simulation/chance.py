"""Weighted choices and skewed durations that cost one table look-up each."""

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from math import exp
from statistics import NormalDist
from typing import Generic, TypeVar

T = TypeVar("T")

_SIZE = 4096
_STANDARD_NORMAL = [NormalDist().inv_cdf((n + 0.5) / _SIZE) for n in range(_SIZE)]


class Choice(Generic[T]):
    """A distribution as 4,096 equally likely values: call it with a uniform number in [0, 1)."""

    __slots__ = ("_table",)

    def __init__(self, table: list[T]):
        self._table = table

    def __call__(self, uniform: float) -> T:
        return self._table[int(uniform * _SIZE)]


def weighted(weights: Mapping[T, float]) -> Choice[T]:
    """Values in proportion to their weights (to 1/4096)."""
    values, bounds = list(weights), list(accumulate(weights.values()))
    positions = ((n + 0.5) / _SIZE * bounds[-1] for n in range(_SIZE))
    return Choice([values[bisect_right(bounds, position)] for position in positions])


def stars(mood: float) -> int:
    """A mood as a rating of 1 to 5."""
    return 1 if mood < 1.5 else 5 if mood >= 4.5 else int(mood + 0.5)


def lognormal(median: float, sigma: float) -> Choice[float]:
    """Lognormal durations by their median (any unit) and the spread of their logarithm."""
    return Choice([median * exp(sigma * deviation) for deviation in _STANDARD_NORMAL])
