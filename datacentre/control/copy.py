"""All rows of one control store into another, empty one: SQLite or PostgreSQL on either side."""

import sqlalchemy as sa

from datacentre.control.store import writing
from datacentre.control.tables import metadata
from datacentre.errors import CheckFailed

_ROWS = 5_000


def copy_store(source: sa.Engine, target: sa.Engine) -> int:
    """Copy the store as it is at one moment, all or nothing; returns the number of rows.

    Raises CheckFailed when the target holds anything.
    """
    count = 0
    with _at_one_moment(source) as reading, writing(target) as connection:
        for table in metadata.sorted_tables:
            if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
                raise CheckFailed(f"control store {target.url!r} isn't empty: {table.name} has rows")
            for rows in reading.execute(sa.select(table)).mappings().partitions(_ROWS):
                connection.execute(table.insert(), [dict(row) for row in rows])
                count += len(rows)
            _go_on_numbering(connection, table)
    return count


def _at_one_moment(engine: sa.Engine) -> sa.Connection:
    """What SQLite reads in one transaction is of one moment anyway."""
    if engine.dialect.name == "postgresql":
        return engine.connect().execution_options(isolation_level="REPEATABLE READ")
    return engine.connect()


def _go_on_numbering(connection: sa.Connection, table: sa.Table) -> None:
    """PostgreSQL counts apart from the rows; SQLite takes note of what is inserted."""
    if connection.dialect.name != "postgresql" or table.autoincrement_column is None:
        return
    column = table.autoincrement_column
    highest = sa.select(sa.func.max(column)).scalar_subquery()
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    has_rows = sa.select(column).limit(1).exists()
    connection.execute(sa.select(sa.func.setval(sequence, highest)).where(has_rows))
