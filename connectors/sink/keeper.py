"""Upkeep run by the sink itself, beside its commits."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from datacentre.contracts import Contract
from datacentre.errors import DataCentreError
from lake.upkeep import keep_up

_RETENTION_HOURS = 168
_log = logging.getLogger(__name__)


class Keeper:
    """Keeps a stream's tables up after every so many of its commits, one stream at a time.

    Full batches count a tenth: they make few and larger files, and come when the sink has to catch up and
    needs its cores and memory for that.
    """

    def __init__(self, lake: Path, contracts: Mapping[str, Contract], commits: int):
        self._lake, self._contracts, self._commits = lake, contracts, commits
        self._tenths: Counter[str] = Counter()
        self._thread: threading.Thread | None = None

    def committed(self, stream: str, was_full: bool) -> None:
        self._tenths[stream] += 1 if was_full else 10
        is_due = self._tenths[stream] >= 10 * self._commits
        if is_due and (self._thread is None or not self._thread.is_alive()):
            self._tenths[stream] = 0
            self._thread = threading.Thread(target=self._keep_up, args=(stream,), name="sink-keeper")
            self._thread.start()

    def close(self) -> None:
        """Wait for what has begun."""
        if self._thread is not None:
            self._thread.join()

    def _keep_up(self, stream: str) -> None:
        try:
            keep_up(self._lake, self._contracts[stream], _RETENTION_HOURS)
        except DataCentreError as problem:  # the next commits try again
            _log.warning("%s", problem)
