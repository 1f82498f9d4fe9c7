"""The report of rows that could not be mapped: one JSON object a line, without personal values."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from connectors.sources.database.position import Position
from connectors.sources.file_source.rejects import RowRejected, printable
from datacentre.contracts.model import Contract

Dropped = Literal["row", "value"]


class DatabaseRejects:
    """Adds `{at, table, key, watermark, column, reason, dropped}` to a file; never the value itself.

    `dropped` says whether the whole row or one value was given up. A page that is read again after a
    crash writes its lines again.
    """

    def __init__(self, path: Path, table: str, contract: Contract):
        self._path = path
        self._table = table
        self._identifiers = {field.name: field.type for field in contract.identifiers}
        self.rows = 0
        self.values = 0

    @property
    def path(self) -> Path | None:
        """Where the report is, or None when this run has reported nothing."""
        return self._path if self.rows or self.values else None

    def row(self, position: Position, problem: RowRejected) -> None:
        self.rows += 1
        self._write(position, problem, "row")

    def value(self, position: Position, problem: RowRejected) -> None:
        self.values += 1
        self._write(position, problem, "value")

    def _write(self, position: Position, problem: RowRejected, dropped: Dropped) -> None:
        *key, watermark = position.texts
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "table": self._table,
            "key": key,
            "watermark": watermark,
            "column": problem.column,
            "reason": self._reason(problem),
            "dropped": dropped,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _reason(self, problem: RowRejected) -> str:
        """A conversion may quote what it couldn't read: of an identifier only the field is told."""
        field, _, told = problem.reason.partition(": ")
        if field in self._identifiers and told != "is required, and empty":
            return f"{field}: can't be read as {self._identifiers[field]}"
        return printable(problem.reason)
