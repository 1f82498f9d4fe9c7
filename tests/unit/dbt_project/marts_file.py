"""A marts file as the build stage leaves it for dbt: the lake's columns, reference tables, no rows yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.settings import REPOSITORY
from lake.asked_rows import TABLES as ASKED_TABLES
from lake.identity_rows import follow_identity, make_identity_tables

PROJECT = REPOSITORY / "dbt_project"
SCHEMAS = REPOSITORY / "schemas"
Row = Mapping[str, Any]


class MartsFile:
    """The DuckDB file that dbt builds in, and the rows that are certified so far."""

    def __init__(self, path: Path, contracts: Mapping[str, Contract]) -> None:
        self.path = path
        self._schemas = {
            key: landed_schema(c).append(pa.field("certificate_id", pa.int64())) for key, c in contracts.items()
        }
        with duckdb.connect(str(path)) as database:
            database.execute("create schema lake")
            database.execute("create schema reference")
            for file in sorted((SCHEMAS / "reference").glob("*.csv")):
                database.execute(f"create table reference.{file.stem} as from read_csv('{file}')")
            database.execute("create schema registry; use registry;" + ASKED_TABLES + "use main")
            database.execute("create table lake.certified_range (stream text, certificate_id bigint)")
            database.execute("create table lake.identity_built (event_number bigint)")
            database.execute("use lake")
            make_identity_tables(database)
            for key, schema in self._schemas.items():
                database.register("empty", schema.empty_table())
                database.execute(f"create table lake.{key} as from empty")
                database.unregister("empty")

    def certify(self, key: str, rows: list[Row]) -> None:
        """Add landed rows; a field that a row doesn't name is null."""
        schema = self._schemas[key]
        full = [{name: row.get(name) for name in schema.names} for row in rows]
        with duckdb.connect(str(self.path)) as database:
            database.register("fresh", pa.Table.from_pylist(full, schema=schema))
            database.execute(f"insert into lake.{key} from fresh")

    def follow(self, control: sa.Engine) -> None:
        """Bring the tables of identity to the newest event."""
        with duckdb.connect(str(self.path)) as database:
            database.execute("use lake")
            follow_identity(database, control)

    def forget(self, key: str) -> None:
        """Take all rows of a stream away again."""
        with duckdb.connect(str(self.path)) as database:
            database.execute(f"delete from lake.{key}")

    def dbt(self, *arguments: str) -> None:
        """Run dbt here; a failing node fails the test with its message."""
        result = dbtRunner().invoke(
            [*arguments, "--quiet", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        )
        # The adapter keeps the file open after a run, and so would keep it from being read.
        DuckDBConnectionManager.close_all_connections()
        assert result.exception is None, result.exception
        failed = [f"{n.node.name}: {n.message}" for n in result.result if n.status in ("error", "fail")]
        assert not failed, failed
        assert result.success
        self._remember_what_was_built()

    def _remember_what_was_built(self) -> None:
        with duckdb.connect(str(self.path)) as database:
            database.execute("delete from lake.certified_range")
            database.execute("delete from lake.identity_built")
            database.execute("insert into lake.identity_built select max(number) from lake.followed_event")
            for key in self._schemas:
                database.execute(
                    f"insert into lake.certified_range select distinct '{key}', certificate_id from lake.{key}"
                )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as database:
            return database.execute(query).fetchall()

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all marts, in one order."""
        tables = self.rows("select table_name from duckdb_tables() where schema_name = 'marts' order by 1")
        return {name: self.rows(f"from marts.{name} order by all") for (name,) in tables}
