"""Whether increments have made what a build from the start makes."""

import duckdb

from datacentre.errors import CheckFailed
from datacentre.settings import Settings
from datacentre.stages.build import build
from lake.marts import published

# What a build touches is another for each build.
_TABLES = """select schema_name || '.' || table_name from duckdb_tables()
    where database_name = 'full_build' and schema_name in ('marts', 'intermediate')
        and table_name not like 'int_touched%'
    order by all"""


def require_equality(settings: Settings) -> int:
    """Build from the start and compare row for row; returns the rows compared. Raises CheckFailed naming a table that
    differs."""
    grown = published(settings.marts)
    (settings.marts / "built_from").unlink()
    build(settings)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{grown}' as grown (read_only)")
        connection.execute(f"attach '{published(settings.marts)}' as full_build (read_only)")
        tables = [name for (name,) in connection.execute(_TABLES).fetchall()]
        return sum(_equal_rows(connection, table) for table in tables)


def _equal_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    counted = connection.execute(
        f"""select (select count(*) from full_build.{table}), count(*) from (
            (from full_build.{table} except all from grown.{table})
            union all (from grown.{table} except all from full_build.{table})
        )"""
    ).fetchall()
    rows, differing = counted[0]
    if differing:
        raise CheckFailed(f"{table}: {differing} of {rows} rows differ between increments and a full build")
    return int(rows)
