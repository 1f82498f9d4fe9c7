"""How far the classes of a column have moved from those of before.

The population stability index is Kullback and Leibler's divergence both ways, summed over classes: (p - q) ln(p / q).
N. Siddiqi, Credit Risk Scorecards (Wiley 2006), reads below 0.1 as no change, 0.1 to 0.25 as one to look into, above as
a shift. Without any change its expectation is about (classes - 1) (1/n + 1/m) over n and m rows (B. Yurdakul,
Statistical Properties of Population Stability Index, Western Michigan University, 2018): 0.02 with ten classes, 500
rows and many more before.
"""

from collections.abc import Mapping
from math import log

Classes = Mapping[str, int]
"""Rows by class."""

_HALF_A_ROW = 0.5
"""Added to each class, so that one that is empty on one side doesn't make the index infinite."""


def stability_index(now: Classes, before: Classes) -> float:
    """The population stability index; 0 where both have the same shares."""
    classes = {*now, *before}
    n, m = (sum(counts.values()) + _HALF_A_ROW * len(classes) for counts in (now, before))
    index = 0.0
    for name in classes:
        p, q = (now.get(name, 0) + _HALF_A_ROW) / n, (before.get(name, 0) + _HALF_A_ROW) / m
        index += (p - q) * log(p / q)
    return index


def largest_move(now: Classes, before: Classes) -> float:
    """The largest change of a class's share, 0 to 1; both sides must hold a row."""
    n, m = sum(now.values()), sum(before.values())
    return max(abs(now.get(name, 0) / n - before.get(name, 0) / m) for name in {*now, *before})


def unused_share(now: Classes, before: Classes) -> float:
    """The share, 0 to 1, of rows whose class had none before; `now` must hold a row."""
    return sum(rows for name, rows in now.items() if not before.get(name)) / sum(now.values())
