"""When to commit a stream's batch, and when to stop reading so that memory stays bounded."""

from collections.abc import Iterable, Mapping
from typing import Literal

from connectors.sink.batch import Batch
from datacentre.settings import Settings

Reason = Literal["rows", "bytes", "age", "end"]

_BUDGET_BATCHES = 3


class Flow:
    """The rules over the batches of one sink; `pending` ones are being committed."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._is_used_up = False

    def full(self, batch: Batch) -> Reason | None:
        """What the batch has as much of as one may have, if anything."""
        if batch.rows >= self._settings.flush_rows:
            return "rows"
        return "bytes" if batch.size_bytes >= self._settings.flush_bytes else None

    def due(self, batch: Batch) -> Reason | None:
        """Why the batch must be committed now, if it must."""
        if not batch.ranges:
            return None
        return self.full(batch) or ("age" if batch.age() >= self._settings.flush_seconds else None)

    def paused(self, batches: Mapping[str, Batch], pending: Mapping[str, Batch]) -> set[str]:
        """Streams to read no further: those whose next batch is full while one is being committed, and all of
        them from the moment that the budget is used up until half of it is free."""
        budget = _BUDGET_BATCHES * self._settings.flush_bytes
        held = _bytes(batches.values()) + _bytes(pending.values())
        self._is_used_up = held >= (budget // 2 if self._is_used_up else budget)
        if self._is_used_up:
            return set(batches)
        return {key for key in pending if self.full(batches[key])}


def _bytes(batches: Iterable[Batch]) -> int:
    return sum(b.size_bytes for b in batches)
