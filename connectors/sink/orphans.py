"""Partitions that nobody reads, though the group is stable."""

import time
from collections.abc import Callable, Collection, Mapping

from connectors.sink.clients import Partition

_LONGEST_SECONDS = 600.0


class Orphans:
    """Finds partitions that no member moves.

    A cooperative rebalance takes two joins: the first takes partitions away, the second gives them to another. When
    static members die in between, the broker gives their next processes the assignment of the first join and
    sees no reason for the second; a join can also be lost. Only a new member makes the group share anew.
    """

    def __init__(self, patience_seconds: float):
        """`patience_seconds` is longer than any rebalance takes. It doubles while what was found stays as it is."""
        self._usual = self._patience = patience_seconds
        self._looked_at = time.monotonic()
        self._behind: Mapping[Partition, int] = {}

    def find(
        self,
        others: Collection[Partition],
        positions: Callable[[], Mapping[Partition, int]],
        ends: Callable[[], Mapping[Partition, int]],
    ) -> set[Partition]:
        """Those of `others` that were below their end at this look and at the last one, and stood still in between.

        One look per patience; none before it is over. `positions` and `ends` are asked for when needed: the lake's
        next offsets, and the topics' ends as lake offsets.
        """
        if time.monotonic() - self._looked_at < self._patience:
            return set()
        self._looked_at = time.monotonic()
        now, reached = (positions(), ends()) if others else ({}, {})
        behind = {at: now[at] for at in others if now[at] < reached.get(at, 0)}
        found = {at for at, offset in behind.items() if self._behind.get(at) == offset}
        self._behind = behind
        self._patience = min(2 * self._patience, _LONGEST_SECONDS) if found else self._usual
        return found
