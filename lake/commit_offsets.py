"""Which commit of a table brought which offsets, as its log tells."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from datacentre.contracts import Contract
from lake.tables import open_table


@dataclass(frozen=True)
class Commit:
    """One version of the table and the offsets `[start, next)` of one partition that it stands for."""

    version: int
    at: datetime
    partition: int
    start: int
    next: int

    def holds(self, offset: int) -> bool:
        return self.start <= offset < self.next


def commits_of(lake: Path, contract: Contract, layer: str, places: Sequence[tuple[int, int]]) -> tuple[Commit, ...]:
    """The commits that brought these places (partition, offset), oldest first.

    A place is missing where the log was cleaned up since.
    """
    table = open_table(lake, contract, layer)
    if table is None:
        return ()
    found = []
    for entry in table.history():
        at = datetime.fromtimestamp(entry["timestamp"] / 1000, UTC)
        for partition, (start, following) in json.loads(entry.get("offsets", "{}")).items():
            if any(p == int(partition) and start <= offset < following for p, offset in places):
                found.append(Commit(int(entry["version"]), at, int(partition), start, following))
    return tuple(sorted(found, key=lambda commit: (commit.version, commit.partition)))
