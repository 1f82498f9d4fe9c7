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
        """`patience_seconds` is longer than any rebalance takes; it doubles each time that something was found."""
        self._patience = patience_seconds
        self._looked_at = time.monotonic()
        self._before: Mapping[Partition, int] = {}

    def find(
        self,
        others: Collection[Partition],
        positions: Callable[[], Mapping[Partition, int]],
        ends: Callable[[], Mapping[Partition, int]],
    ) -> set[Partition]:
        """Those of `others` that stood still below their end for the whole patience; none before it is over.

        `positions` and `ends` are asked for when needed: the lake's next offsets, and the topics' ends as lake offsets.
        """
        if time.monotonic() - self._looked_at < self._patience:
            return set()
        now = {at: offset for at, offset in positions().items() if at in others} if others else {}
        still = {at for at, offset in now.items() if self._before.get(at) == offset}
        reached = ends() if still else {}
        found = {at for at in still if reached.get(at, 0) > now[at]}
        self._before, self._looked_at = {} if found else now, time.monotonic()
        if found:
            self._patience = min(2 * self._patience, _LONGEST_SECONDS)
        return found
