"""What every kind of file offers: its columns, and its rows as text cells."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

Cell = str | list[str] | None
_EXACT_FLOAT = 2**53


class Row(NamedTuple):
    """One data row. `problem` says why it can't be read; then `cells` is empty.

    `number` counts data rows from 1; `line` is the row's first line in the file (None in Parquet);
    `others` are keys beside the wanted columns (JSON Lines only: elsewhere the header shows them).
    """

    number: int
    line: int | None
    cells: Sequence[Cell]
    problem: str | None = None
    others: tuple[str, ...] = ()


class Table(Protocol):
    """A file of rows, read as a stream: only a bounded part of it is in memory."""

    file: Path

    @property
    def columns(self) -> tuple[str, ...]: ...

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        """All rows, with the cells of the wanted columns in that order."""
        ...


def as_cell(value: Any) -> Cell:
    """A JSON or Parquet value as CSV would write it; arrays become lists of texts."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT_FLOAT else repr(value)
    if isinstance(value, list | tuple):
        return [_item(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value) if isinstance(value, int) else msgspec.json.encode(value).decode()


def _item(value: Any) -> str:
    cell = as_cell(value)
    return cell if isinstance(cell, str) else msgspec.json.encode(cell).decode()
