"""Precision, recall and calibration of links against the truth."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

Pair = tuple[str, str]
_BOUNDS = (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0)


@dataclass(frozen=True)
class Quality:
    """Of pairs that were said to be one person's."""

    right: int
    said: int
    true: int

    @property
    def precision(self) -> float:
        return self.right / self.said if self.said else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.true

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.said + self.true)


def of_pairs(pairs: Iterable[Pair], truth: Mapping[str, str], true: int) -> Quality:
    same = [truth[left] == truth[right] for left, right in pairs]
    return Quality(sum(same), len(same), true)


def of_clusters(cluster_of: Mapping[str, str], truth: Mapping[str, str]) -> Quality:
    """Every two members of a cluster are a pair."""
    both = Counter((cluster, truth[record]) for record, cluster in cluster_of.items())
    return Quality(_pairs(both), _pairs(Counter(cluster_of.values())), _pairs(Counter(truth.values())))


def true_pairs(truth: Mapping[str, str], files: list[list[str]]) -> int:
    """Within one file, or between two."""
    if len(files) == 1:
        return _pairs(Counter(truth.values()))
    left, right = (Counter(truth[record] for record in file) for file in files)
    return sum(count * right[person] for person, count in left.items())


def _pairs(sizes: Counter[object] | Counter[str] | Counter[tuple[str, str]]) -> int:
    return sum(n * (n - 1) // 2 for n in sizes.values())


def calibration(scored: Iterable[tuple[str, str, float]], truth: Mapping[str, str]) -> list[list[object]]:
    """By range of probability: how many pairs, what was said of them on average, and what was true."""
    found: list[list[object]] = []
    rows = [(probability, truth[left] == truth[right]) for left, right, probability in scored]
    for low, high in pairwise(_BOUNDS):
        inside = [row for row in rows if low < row[0] <= high]
        if inside:
            said, true = (sum(values) / len(inside) for values in zip(*inside, strict=True))
            found.append([f"{low} to {high}", len(inside), round(said, 4), round(true, 4)])
    return found
