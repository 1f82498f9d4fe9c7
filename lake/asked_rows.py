"""What citizens were asked, beside the copy of the certified rows: the registry knows, builds read it.

The registry's work database holds direct identifiers; what is handed over from it holds none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

RECORD = "stream_key, record_key"
_COLUMNS = """stream_key text not null, kafka_partition integer not null, kafka_offset bigint not null,
    certificate_id bigint not null, record_key text not null, named_as text not null,
    field text not null, attribute text not null, asked_date date not null, was_known boolean not null,
    was_equal boolean not null, known_from_stream text"""
ASKED_COLUMNS = tuple(part.split()[0] for part in _COLUMNS.split(","))
TABLES = f"""
create table if not exists asked_field ({_COLUMNS});
create table if not exists asked_record (stream_key text, record_key text);
create table if not exists asked_origin (origin uuid);
"""
"""`asked_record`: of which cases rows came, went or changed since the last build. `asked_origin`: which work database
they come from; each has one of its own."""


def follow_askings(copy: Path, work: Path) -> None:
    """Bring the copy's `asked_field` to that of the registry's work database, where there is one.

    Who calls holds the marts and the registry. What is cut short is done by the next call.
    """
    with duckdb.connect(str(copy)) as connection:
        connection.execute(TABLES)
        if not work.exists():
            return
        with _attached(connection, work):
            is_changed = connection.execute("select exists (from work.asked_record)").fetchall() == [(True,)]
            if connection.execute("from asked_origin").fetchall() != _origin(connection):
                _take_all(connection)
            elif is_changed:
                _take_changed(connection)
            if is_changed:
                connection.execute("delete from work.asked_record")


def forget_asked_records(copy: Path) -> None:
    """Once a build has taken them in."""
    with duckdb.connect(str(copy)) as connection:
        connection.execute("delete from asked_record")


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, work: Path) -> Iterator[None]:
    quoted = str(work).replace("'", "''")
    connection.execute(f"attach '{quoted}' as work")
    try:
        yield
    finally:
        connection.execute("detach work")


def _origin(connection: duckdb.DuckDBPyConnection) -> list[tuple[str]]:
    return connection.execute("from work.asked_origin").fetchall()


def _take_all(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("begin")
    connection.execute(f"insert into asked_record select distinct {RECORD} from asked_field")
    connection.execute("delete from asked_field")
    connection.execute(f"insert into asked_field select {', '.join(ASKED_COLUMNS)} from work.asked_field")
    connection.execute(f"insert into asked_record select distinct {RECORD} from asked_field")
    connection.execute("delete from asked_origin")
    connection.execute("insert into asked_origin from work.asked_origin")
    connection.execute("commit")


def _take_changed(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("begin")
    connection.execute("create or replace temp table changed as select distinct * from work.asked_record")
    connection.execute(f"delete from asked_field where ({RECORD}) in (from changed)")
    connection.execute(
        f"""insert into asked_field select {", ".join(ASKED_COLUMNS)} from work.asked_field
        where ({RECORD}) in (from changed)"""
    )
    connection.execute("insert into asked_record from changed")
    connection.execute("commit")
