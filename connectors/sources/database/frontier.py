"""How far it is safe to read: no row may appear later at a place that has been passed.

A row gets its watermark when it is written and is seen when its transaction commits. A position that
has passed a row not yet seen would never come back for it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connectors.sources.database.connection import SourceDatabase
from connectors.sources.database.pages import Until, as_stored
from connectors.sources.database.table import SourceTable
from connectors.sources.file_source.mapping import DatabaseTable
from datacentre.errors import ContractError

_CLOCKS = {
    "postgresql": "select clock_timestamp()",
    "sqlite": "select strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')",
    "mysql": "select utc_timestamp(6)",
    "mariadb": "select utc_timestamp(6)",
    "mssql": "select sysutcdatetime()",
    "oracle": "select sys_extract_utc(systimestamp) from dual",
}
# Every transaction holds its own virtual id, which everybody may see; when it began only its own role
# and pg_read_all_stats may. Sessions without a user are the server's own (autovacuum): they write no rows.
_OPEN_TRANSACTIONS = """
select l.virtualtransaction, a.xact_start
from pg_locks as l join pg_stat_activity as a using (pid)
where l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock' and l.granted
    and a.pid <> pg_backend_pid() and a.datname = current_database() and a.usesysid is not null
    and (a.backend_xid is not null or not :writing)
union all
select 'prepared ' || gid, null from pg_prepared_xacts where database = current_database()
"""
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Frontier:
    """What may be read: rows that `until` accepts; with `until` None nothing may, for now.

    `held_since` is the start of the oldest open transaction that holds the frontier back, where known.
    """

    until: Until | None
    held_since: datetime | None = None

    @property
    def is_held(self) -> bool:
        return self.until is None or self.held_since is not None


def find_frontier(database: SourceDatabase, table: SourceTable, section: DatabaseTable) -> Frontier:
    """The frontier as of now; rows before it are final. Raises ContractError where it can't be told."""
    if table.is_transaction_watermark:
        return _transaction_frontier(database, table)
    lag = timedelta(seconds=section.lag_seconds)
    with database.connected(table.label) as connection:
        now = _clock(connection)
    if database.dialect != "postgresql" or section.open_transactions == "ignore":
        return Frontier(_before(database.dialect, section, now - lag))
    _check_primary(database, table)
    look = _Look(database, table.label, section.open_transactions == "writing")
    opened = look.all()
    if not _end(look, {name for name, began in opened.items() if began is None}):
        return Frontier(None)
    oldest = min((began for began in opened.values() if began is not None), default=None)
    return Frontier(_before(database.dialect, section, min(now, oldest or now) - lag), oldest)


class _Look:
    """Looks at the open transactions of other sessions: their names, and when they began where that is shown.

    Each look has a connection and so a transaction of its own: within one, the view stands still.
    """

    def __init__(self, database: SourceDatabase, label: str, writing: bool):
        self._database, self._label, self._writing = database, label, writing

    def all(self) -> dict[str, datetime | None]:
        with self._database.connected(self._label) as connection:
            rows = connection.execute(sa.text(_OPEN_TRANSACTIONS), {"writing": self._writing}).all()
        return {str(row[0]): row[1] and row[1].astimezone(UTC) for row in rows}


def _end(look: _Look, names: set[str]) -> bool:
    """Wait for transactions that don't show when they began; whether all have ended."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while names:
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
        names &= look.all().keys()
    return True


def _transaction_frontier(database: SourceDatabase, table: SourceTable) -> Frontier:
    """Below the oldest transaction that is still open: exact, whatever clocks say."""
    with database.connected(table.label) as connection:
        oldest: str = connection.execute(sa.text("select pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one()
    return Frontier(lambda column: column < as_stored(oldest))


def _check_primary(database: SourceDatabase, table: SourceTable) -> None:
    with database.connected(table.label) as connection:
        if connection.execute(sa.text("select pg_is_in_recovery()")).scalar_one():
            raise ContractError(
                f"{table.label}: the database is a standby and doesn't show its primary's open transactions: "
                "read the primary, or an xid8 watermark, or set open_transactions: ignore"
            )


def _clock(connection: sa.Connection) -> datetime:
    """The database's own clock."""
    if connection.dialect.name not in _CLOCKS:
        raise ContractError(f"the clock of {connection.dialect.name} is not known here; known are {', '.join(_CLOCKS)}")
    told: Any = connection.execute(sa.text(_CLOCKS[connection.dialect.name])).scalar_one()
    moment = datetime.fromisoformat(told) if isinstance(told, str) else told
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _before(dialect: str, section: DatabaseTable, bound: datetime) -> Until:
    moment: datetime = bound
    if section.zone is not None:
        moment = bound.astimezone(ZoneInfo(section.zone)).replace(tzinfo=None)
    if dialect == "sqlite":
        return _before_in_sqlite(moment)
    return lambda column: column < as_stored(moment)


def _before_in_sqlite(moment: datetime) -> Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]:
    """SQLite keeps times as text, with or without fractions and zone; `julianday` reads them all."""
    text = moment.isoformat(sep=" ", timespec="milliseconds")
    return lambda column: sa.func.julianday(column) < sa.func.julianday(text)
