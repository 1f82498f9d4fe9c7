"""The rows of a table, view or query, as the database describes them; refuses what can't be read safely."""

import re
import warnings
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from connectors.sources.file_source.mapping import DatabaseTable, Mapping
from connectors.sources.file_source.mapping_file import check_columns
from datacentre.errors import CheckFailed

_TIMESTAMP, _TIMESTAMP_WITH_ZONE, _XID8 = 1114, 1184, 5069  # the types' numbers in pg_type
_TEXT_CLOCK = re.compile(
    r"(?P<clock>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?)"
    r"(?P<zone>(Z|[+-][0-9]{2}:[0-9]{2})?)"
)


@dataclass(frozen=True)
class SourceTable:
    """What is selected from, its columns, and how the watermark is to be taken.

    `may_be_null` are the columns of watermark and key that the database lets be null. `is_keyed` says
    that the database itself keeps the key unique.
    """

    label: str
    rows: sa.FromClause
    columns: tuple[str, ...]
    watermark: str
    key: tuple[str, ...]
    may_be_null: tuple[str, ...]
    is_keyed: bool
    is_transaction_watermark: bool


def inspect_table(connection: sa.Connection, mapping: Mapping, section: DatabaseTable) -> SourceTable:
    """Look the table up; raises ContractError, at the mapping's line, where it doesn't fit the mapping."""
    described = _described(connection, mapping, section)
    columns = tuple(described)
    check_columns(mapping, columns, section.label)
    asked = {"watermark": (section.watermark,), "key": section.key}
    if section.deleted is not None:
        asked["deleted"] = (section.deleted.column,)
    for part, names in asked.items():
        if missing := [name for name in names if name not in columns]:
            raise mapping.located.error(
                ("database", part), f"{section.label} has no column {missing[0]!r}; it has {', '.join(columns[:30])}"
            )
    table = SourceTable(
        label=section.label,
        rows=_selectable(connection, section, columns),
        columns=columns,
        watermark=section.watermark,
        key=section.key,
        may_be_null=tuple(name for name in (section.watermark, *section.key) if described[name]),
        is_keyed=_is_keyed(connection, mapping, section),
        is_transaction_watermark=False,
    )
    return _with_watermark_kind(connection, mapping, section, table)


def check_no_nulls(connection: sa.Connection, table: SourceTable) -> None:
    """Raise CheckFailed where a row has no watermark or key: it could never be read."""
    for name in table.may_be_null:
        if _exists(connection, table, sa.column(name).is_(None)):
            raise CheckFailed(
                f"{table.label}.{name} is null in at least one row, which can't be read then: fill it in, "
                "and make the column not null"
            )


def check_texts(connection: sa.Connection, table: SourceTable, has_zone: bool) -> None:
    """SQLite orders watermarks as texts: raise CheckFailed unless all are written alike, as ISO 8601.

    `has_zone` says that the mapping names the zone, so that the texts carry none.
    """
    watermark: sa.ColumnClause[str] = sa.column(table.watermark)
    first = connection.execute(sa.select(watermark).select_from(table.rows).order_by(watermark).limit(1)).scalar()
    if first is None:
        return
    form = _TEXT_CLOCK.fullmatch(str(first))
    if form is None or (form["zone"] == "") != has_zone:
        told = "without a zone, as the mapping names one" if has_zone else "with its zone, or name the `zone`"
        raise CheckFailed(f"{table.label}.{table.watermark} must be written YYYY-MM-DD hh:mm:ss {told}")
    pattern = re.sub("[0-9]", "[0-9]", form["clock"]) + form["zone"]
    other = sa.or_(watermark.op("not glob")(pattern), sa.func.julianday(watermark).is_(None))
    if _exists(connection, table, other):
        raise CheckFailed(
            f"{table.label}.{table.watermark} is not written in the same way in all rows; SQLite would sort it wrongly"
        )


def _exists(connection: sa.Connection, table: SourceTable, condition: sa.ColumnElement[bool]) -> bool:
    one: sa.ColumnElement[int] = sa.literal_column("1")
    return connection.execute(sa.select(one).select_from(table.rows).where(condition).limit(1)).first() is not None


def _described(connection: sa.Connection, mapping: Mapping, section: DatabaseTable) -> dict[str, bool]:
    """Every column and whether it may be null."""
    if section.query is not None:
        result = connection.execute(sa.select(sa.text("*")).select_from(_subquery(section, ())).limit(0))
        return dict.fromkeys(result.keys(), True)
    schema, name = _schema_and_name(section)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", exc.SAWarning)  # types it doesn't know are of no matter here
            found = sa.inspect(connection).get_columns(name, schema=schema)
    except exc.NoSuchTableError:
        raise mapping.located.error(("database", "table"), f"the database has no table {section.table!r}") from None
    return {column["name"]: bool(column["nullable"]) for column in found}


def _is_keyed(connection: sa.Connection, mapping: Mapping, section: DatabaseTable) -> bool:
    """Whether the database keeps the key unique; views and queries can't tell and are watched instead."""
    if section.query is not None:
        return False
    schema, name = _schema_and_name(section)
    inspector = sa.inspect(connection)
    if name in inspector.get_view_names(schema=schema) or name in _materialized(inspector, schema):
        return False
    unique: list[Any] = [inspector.get_pk_constraint(name, schema=schema)["constrained_columns"]]
    unique += [c["column_names"] for c in inspector.get_unique_constraints(name, schema=schema)]
    unique += [i["column_names"] for i in inspector.get_indexes(name, schema=schema) if i["unique"]]
    if not any(columns and set(columns) <= set(section.key) for columns in unique):
        primary = ", ".join(unique[0]) or "none"
        raise mapping.located.error(
            ("database", "key"),
            f"{section.label} may hold the same {', '.join(section.key)} twice; its primary key is {primary}",
        )
    return True


def _materialized(inspector: sa.Inspector, schema: str | None) -> list[str]:
    try:
        return inspector.get_materialized_view_names(schema=schema)
    except NotImplementedError:
        return []


def _with_watermark_kind(
    connection: sa.Connection, mapping: Mapping, section: DatabaseTable, table: SourceTable
) -> SourceTable:
    """PostgreSQL tells the watermark's type; SQLite has texts, see `check_texts`; elsewhere clocks carry no zone."""
    if connection.dialect.name == "sqlite":
        return table
    if connection.dialect.name != "postgresql":
        if section.zone is None:
            raise mapping.located.error(("database",), f"needs the `zone` of {table.label}.{table.watermark}")
        return table
    column: sa.ColumnClause[Any] = sa.column(table.watermark)
    result = connection.execute(sa.select(column).select_from(table.rows).limit(0))
    assert result.cursor is not None
    kind = result.cursor.description[0][1]
    result.close()
    if kind not in (_TIMESTAMP, _TIMESTAMP_WITH_ZONE, _XID8):
        raise mapping.located.error(
            ("database", "watermark"), f"{table.label}.{table.watermark} is neither a timestamp nor xid8"
        )
    if (kind == _TIMESTAMP) != (section.zone is not None):
        told = "carries no zone: name it in `zone`" if kind == _TIMESTAMP else "is no clock without a zone: no `zone`"
        raise mapping.located.error(("database", "watermark"), f"{table.label}.{table.watermark} {told}")
    return replace(table, is_transaction_watermark=kind == _XID8)


def _selectable(connection: sa.Connection, section: DatabaseTable, columns: tuple[str, ...]) -> sa.FromClause:
    if section.query is not None:
        return _subquery(section, columns)
    schema, name = _schema_and_name(section)
    return sa.table(name, *(sa.column(column) for column in columns), schema=schema)


def _subquery(section: DatabaseTable, columns: tuple[str, ...]) -> sa.FromClause:
    text = sa.text(str(section.query).strip().rstrip(";"))
    return text.columns(*(sa.column(name) for name in columns)).subquery("source")


def _schema_and_name(section: DatabaseTable) -> tuple[str | None, str]:
    schema, _, name = str(section.table).rpartition(".")
    return schema or None, name
