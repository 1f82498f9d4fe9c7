"""Open the control store: SQLite by default, PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from datacentre.control.migration import create_tables
from datacentre.errors import ContractError, SourceUnavailable

_BUSY_SECONDS = 30
_WRITERS_LOCK = 0x64617461  # any number, the same in every process


@contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    """The store at `url`, its tables created when absent; closed at the end.

    Open it after a fork, never before. Raises ContractError for a URL that names no known database,
    SourceUnavailable when the database doesn't answer.
    """
    engine = open_store(url)
    try:
        yield engine
    finally:
        engine.dispose()


def open_store(url: str) -> sa.Engine:
    """As `opened`, for a process that keeps the store open; the caller disposes of the engine."""
    engine = _engine(url)
    try:
        with writing(engine) as connection:
            create_tables(connection)
    except OperationalError as problem:
        engine.dispose()
        shown = engine.url.set(query={}).render_as_string(hide_password=True)
        raise SourceUnavailable(f"control store {shown} doesn't answer: {problem.orig}") from None
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that no other writer overlaps, so that what it reads stays true until it commits.

    The lock is held to the end: certificate numbers become visible in the order they are given.
    """
    with engine.connect().execution_options(is_writing=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS_LOCK)))
        yield connection


def number_of(inserted: sa.CursorResult[Any]) -> int:
    """The number that the store has given to the one row of an insert."""
    key = inserted.inserted_primary_key
    assert key is not None
    return int(key[0])


def insert_into(table: sa.Table, dialect: sa.Dialect) -> sqlite.Insert | postgresql.Insert:
    """Both databases that a control store may be know `on conflict`; each has its own class for it."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ContractError(f"DATACENTRE_CONTROL_URL: {parsed.drivername!r} is neither sqlite nor postgresql")
        if parsed.get_backend_name() == "sqlite":
            return _sqlite_engine(parsed)
        return sa.create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError) as problem:
        raise ContractError(f"DATACENTRE_CONTROL_URL can't be used: {problem}") from None


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise ContractError("DATACENTRE_CONTROL_URL: the control store must be a file, not memory")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def configure(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # the driver's own BEGIN comes too late, see `begin`
        # A certificate lost at power failure would give its number, already built on, to another range.
        connection.execute("pragma synchronous = full")
        _use_wal(connection)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        is_writing = connection.get_execution_options().get("is_writing", False)
        connection.exec_driver_sql("begin immediate" if is_writing else "begin")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite doesn't wait here for others that do the same at this moment."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            if connection.execute("pragma journal_mode").fetchone()[0] != "wal":
                connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
