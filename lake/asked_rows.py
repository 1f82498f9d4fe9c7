"""What citizens were asked, beside the copy of the certified rows: the registry knows, builds read it.

The registry's work database holds direct identifiers; what is handed over from it holds none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_COLUMNS = """stream_key text not null, kafka_partition integer not null, kafka_offset bigint not null,
    certificate_id bigint not null, record_key text not null, named_as text not null,
    field text not null, attribute text not null, asked_date date not null, was_known boolean not null,
    was_equal boolean not null, known_from_stream text"""
ASKED_COLUMNS = tuple(part.split()[0] for part in _COLUMNS.split(","))
_TABLES = f"""
create table if not exists asked_field ({_COLUMNS}, asking_hash ubigint);
create table if not exists asked_origin (origin uuid);
"""
TABLES = f"""{_TABLES}
create table if not exists asked_record (stream_key text, record_key text);
"""
"""`asking_hash` stands for a whole row. `asked_origin`: which work database the rows come from. `asked_record`: of
which cases rows came, went or changed since the last build."""
WORK_TABLES = f"""{_TABLES}
create table if not exists asked_new ({_COLUMNS}, asking_hash ubigint);
create table if not exists asked_gone (asking_hash ubigint, stream_key text, record_key text);
"""
"""`asked_new`, `asked_gone`: rows that came and went since the copy followed."""


def follow_askings(copy: Path, work: Path) -> None:
    """Bring the copy's `asked_field` to that of the registry's work database, where there is one.

    Who calls holds the marts and the registry. What is cut short is done by the next call.
    """
    with duckdb.connect(str(copy)) as connection:
        connection.execute(TABLES)
        if not work.exists():
            return
        with _attached(connection, work):
            if connection.execute("from asked_origin").fetchall() != _origin(connection):
                _take_all(connection)
            else:
                _take_news(connection)
            connection.execute("begin")
            connection.execute("delete from work.asked_new")
            connection.execute("delete from work.asked_gone")
            connection.execute("commit")


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
    connection.execute("insert into asked_record select distinct stream_key, record_key from asked_field")
    connection.execute("drop table asked_field")
    connection.execute(TABLES)
    connection.execute(f"insert into asked_field select {_ROW} from work.asked_field")
    connection.execute("insert into asked_record select distinct stream_key, record_key from asked_field")
    connection.execute("delete from asked_origin")
    connection.execute("insert into asked_origin from work.asked_origin")
    connection.execute("commit")


def _take_news(connection: duckdb.DuckDBPyConnection) -> None:
    """May be done twice: what is new goes out before it comes in."""
    news = "select {0} from work.asked_new union select {0} from work.asked_gone"
    connection.execute("begin")
    connection.execute(f"delete from asked_field where asking_hash in ({news.format('asking_hash')})")
    connection.execute(f"insert into asked_field select {_ROW} from work.asked_new")
    connection.execute(f"insert into asked_record {news.format('stream_key, record_key')}")
    connection.execute("commit")


_ROW = f"{', '.join(ASKED_COLUMNS)}, asking_hash"
