"""Rows in the order (watermark, key), a bounded page at a time, each strictly after the last (keyset pagination).

Equal watermarks are told apart by the key, so that a page may end between them: nothing is skipped or doubled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from connectors.sources.database.position import Position, Value
from connectors.sources.database.table import SourceTable
from connectors.sources.file_source.table import Cell, as_cell
from datacentre.errors import CheckFailed

# They compare (a, b) > (1, 2) as one, and use the index over both.
_ROW_VALUES = frozenset({"postgresql", "sqlite", "mysql", "mariadb"})

Until = Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]
"""Says of the watermark's column whether a row is old enough to be read."""


@dataclass(frozen=True)
class SourceRow:
    """One row: where it stands, and its cells in the order in which the columns were asked for."""

    position: Position
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Page:
    """Rows in order; `has_more` tells whether another page follows."""

    rows: tuple[SourceRow, ...]
    has_more: bool


def read_page(
    connection: sa.Connection,
    table: SourceTable,
    columns: Sequence[str],
    after: Position | None,
    until: Until,
    limit: int,
) -> Page:
    """Up to `limit` rows after a position whose watermark is within `until`."""
    order = (table.watermark, *table.key)
    values = None if after is None else (after.watermark, *after.key)
    query = _select(connection, table, order, columns, values, limit).where(until(sa.column(table.watermark)))
    found = [tuple(row) for row in connection.execute(query)]
    width = len(order)
    if not table.is_keyed:
        _check_distinct(table, [row[:width] for row in found])
    rows = tuple(
        SourceRow(Position(row[0], row[1:width]), [cell_of(value) for value in row[width:]]) for row in found[:limit]
    )
    return Page(rows, len(found) > limit)


def read_key_page(
    connection: sa.Connection, table: SourceTable, columns: Sequence[str], after: Sequence[Value] | None, limit: int
) -> tuple[list[SourceRow], tuple[Value, ...] | None]:
    """Up to `limit` rows in the order of the key alone, and the key to go on from (None at the end).

    The rows' positions carry no watermark.
    """
    query = _select(connection, table, table.key, columns, after, limit)
    found = [tuple(row) for row in connection.execute(query)]
    width = len(table.key)
    rows = [SourceRow(Position(None, row[:width]), [cell_of(v) for v in row[width:]]) for row in found[:limit]]
    return rows, rows[-1].position.key if len(found) > limit else None


def _select(
    connection: sa.Connection,
    table: SourceTable,
    order: Sequence[str],
    columns: Sequence[str],
    after: Sequence[Value] | None,
    limit: int,
) -> sa.Select[Any]:
    """One row more than `limit`, which tells whether there is more."""
    ordering: list[sa.ColumnElement[Any]] = [sa.column(name) for name in order]
    query = sa.select(*ordering, *(sa.column(name).label(f"cell_{n}") for n, name in enumerate(columns)))
    query = query.select_from(table.rows).order_by(*ordering).limit(limit + 1)
    if after is None:
        return query
    return query.where(strictly_after(ordering, after, connection.dialect.name in _ROW_VALUES))


def strictly_after(
    columns: Sequence[sa.ColumnElement[Any]], values: Sequence[Value], has_row_values: bool
) -> sa.ColumnElement[bool]:
    """The condition (c1, c2, ...) > (v1, v2, ...), spelled out where a database doesn't know it."""
    bound = [as_stored(value) for value in values]
    if has_row_values:
        return sa.tuple_(*columns) > sa.tuple_(*bound)
    condition = columns[-1] > bound[-1]
    for column, value in zip(reversed(columns[:-1]), reversed(bound[:-1]), strict=True):
        condition = sa.or_(column > value, sa.and_(column == value, condition))
    # The first part alone is what an index can be asked for.
    return sa.and_(columns[0] >= bound[0], condition)


def as_stored(value: Value) -> sa.BindParameter[Any]:
    """A parameter without a type: the database takes the column's, be it an enum, a uuid or an xid8."""
    return sa.bindparam(None, value, type_=sa.types.NullType())


def cell_of(value: Any) -> Cell:
    """A value as CSV would write it."""
    if isinstance(value, UUID):
        return str(value)
    return as_cell(bytes(value) if isinstance(value, memoryview) else value)


def _check_distinct(table: SourceTable, positions: Sequence[tuple[Value, ...]]) -> None:
    if any(first == second for first, second in pairwise(positions)):
        raise CheckFailed(
            f"{table.label} has two rows with the same {', '.join(table.key)} and {table.watermark}: "
            "name key columns that tell rows apart"
        )
