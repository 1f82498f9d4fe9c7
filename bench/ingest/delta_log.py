"""Watching a Delta table's log from outside: what was committed, and when a reader could see it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Commit:
    """One version: when it was seen (monotonic and epoch seconds), next offset by partition, files of new rows."""

    version: int
    seen_at: float
    seen_time: float
    positions: dict[int, int]
    files: tuple[str, ...]


class LogWatch:
    """Gives the commits of one table in order, each once; the table need not exist yet."""

    def __init__(self, table: Path):
        self._log = table / "_delta_log"
        self._version = -1

    def new(self) -> list[Commit]:
        """Commits that have appeared since the last call."""
        found = []
        while (commit := self._read(self._version + 1)) is not None:
            found.append(commit)
            self._version += 1
        return found

    def _read(self, version: int) -> Commit | None:
        try:
            text = (self._log / f"{version:020}.json").read_text()
        except FileNotFoundError:
            return None
        seen_at, seen_time = time.monotonic(), time.time()
        positions, files = {}, []
        for line in text.splitlines():
            action = json.loads(line)
            if "txn" in action:
                positions[int(action["txn"]["appId"].rpartition("/")[2])] = int(action["txn"]["version"])
            elif "add" in action and action["add"]["dataChange"]:
                files.append(str(action["add"]["path"]))
        return Commit(version, seen_at, seen_time, positions, tuple(files))
