"""PostgreSQL databases: search every value for one person, and mask what holds the person."""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from datacentre.errors import SourceUnavailable
from lake.person import Person

_COLUMNS = sa.text(
    """
    select table_schema, table_name, column_name, data_type
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
        and data_type in ('text', 'character varying', 'character', 'json', 'jsonb', 'xml', 'bytea', 'ARRAY')
    order by 1, 2, 3
    """
)


@dataclass(frozen=True)
class _Column:
    schema: str
    table: str
    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"

    @property
    def quoted(self) -> tuple[str, str]:
        """Table and column, as they stand in SQL."""
        schema, table, name = ('"' + part.replace('"', '""') + '"' for part in (self.schema, self.table, self.name))
        return f"{schema}.{table}", name


def columns_holding(url: str, person: Person) -> tuple[str, ...]:
    """`schema.table.column` of what holds the person. Raises SourceUnavailable when the server doesn't answer."""
    with _connected(url) as connection:
        return tuple(str(c) for c in _columns(connection) if any(True for _ in _holding(connection, c, person)))


def take_out_of_database(url: str, person: Person) -> int:
    """Mask the person in every value, and have the server forget the old ones; returns how many values held it.

    A table is written anew, which no writer of it passes meanwhile. Of the write-ahead log the server keeps only what
    a crash would need; with `wal_recycle` on it uses old segments again, as they are.
    """
    masked: dict[tuple[str, str], int] = {}
    with _connected(url) as connection:
        for column in _columns(connection):
            for place, value in _holding(connection, column, person):
                _mask(connection, column, place, value, person)
                masked[column.schema, column.table] = masked.get((column.schema, column.table), 0) + 1
        for schema, table in masked:
            connection.exec_driver_sql(f"vacuum full {_Column(schema, table, '', '').quoted[0]}")
        if masked:
            connection.exec_driver_sql("select pg_switch_wal()")
            connection.exec_driver_sql("checkpoint")
    return sum(masked.values())


def _connected(url: str) -> sa.Connection:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    try:
        return engine.connect()
    except sa.exc.OperationalError as problem:
        shown = engine.url.render_as_string(hide_password=True)
        raise SourceUnavailable(f"{shown} doesn't answer: {problem.orig}") from None


def _columns(connection: sa.Connection) -> list[_Column]:
    return [_Column(*map(str, row)) for row in connection.execute(_COLUMNS)]


def _holding(connection: sa.Connection, column: _Column, person: Person) -> Iterator[tuple[str, str | bytes]]:
    """Where each value that holds the person stands in its table, and the value."""
    table, name = column.quoted
    shown = name if column.kind == "bytea" else f"{name}::text"
    rows = connection.exec_driver_sql(f"select ctid::text, {shown} from {table} where {name} is not null")
    for row in rows.fetchall():
        place: str = row[0]
        value: str | bytes = row[1]
        if person.holds(value if isinstance(value, bytes) else value.encode()):
            yield place, value


def _mask(connection: sa.Connection, column: _Column, place: str, value: str | bytes, person: Person) -> None:
    """Change the value only where it stands as it was read: what was changed since is found by the next search."""
    table, name = column.quoted
    is_binary = isinstance(value, bytes)
    new = person.masked(value) if isinstance(value, bytes) else person.masked(value.encode()).decode()
    read = name if is_binary else f"{name}::text"
    connection.exec_driver_sql(
        f"update {table} set {name} = %(new)s where ctid = %(place)s::tid and {read} = %(old)s",
        {"place": place, "old": value, "new": new},
    )
