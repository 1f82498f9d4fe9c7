"""The report of what could not be sent: one JSON object a line."""

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

from datacentre.errors import RecordRejected

Dropped = Literal["row", "value"]
_LONGEST_VALUE = 80


class RowRejected(RecordRejected):
    """A row that can't be mapped: the column, its value and the reason."""

    def __init__(self, column: str | None, value: object, reason: str):
        super().__init__(reason)
        self.column = column
        self.value = value
        self.reason = reason


class RejectReport:
    """Writes `{file, line, row, column, value, reason, dropped}`; the file appears with its first line.

    `line` is the first line of the row as an editor shows it (null in Parquet), `row` counts data rows
    from 1, `dropped` says whether the whole row or one value was given up. Values are shortened.
    """

    def __init__(self, path: Path, file: Path):
        self._path = path
        self._file = file
        self._stream: IO[str] | None = None
        self.rows = 0
        self.values = 0

    def __enter__(self) -> "RejectReport":
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    @property
    def path(self) -> Path | None:
        """Where the report is, or None when there was nothing to report."""
        return self._path if self._stream is not None else None

    def row(self, row: int, line: int | None, problem: RowRejected) -> None:
        self.rows += 1
        self._write(row, line, problem, "row")

    def value(self, row: int, line: int | None, problem: RowRejected) -> None:
        self.values += 1
        self._write(row, line, problem, "value")

    def _write(self, row: int, line: int | None, problem: RowRejected, dropped: Dropped) -> None:
        if self._stream is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("w", encoding="utf-8")
        entry = {
            "file": self._file.name,
            "line": line,
            "row": row,
            "column": problem.column,
            "value": None if problem.value is None else shortened(problem.value),
            "reason": printable(problem.reason),
            "dropped": dropped,
        }
        self._stream.write(json.dumps(entry, ensure_ascii=False) + "\n")


def shortened(value: object) -> str:
    text = str(value)
    return printable(text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…")


def printable(text: str) -> str:
    """Bytes that the file's encoding doesn't know come as lone surrogates; write them as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
