"""The events of identity as DuckDB tables: of whom each record speaks, and who was merged into whom.

`person_link` and `person_alias` keep what held before too: a row holds from event `event_number` on and until
`replaced_by`, null where it still holds. So whoever built on some event sees what has changed since.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from datacentre.control.identity import PLACING, Event, events, newest_event
from datacentre.control.identity_state import ALIAS_KINDS, IdentityState, fold

_TABLES = """
create table if not exists person_link (
    stream_key text, kafka_partition integer, kafka_offset bigint, linked_key text, person_key text,
    event_number bigint, replaced_by bigint
);
create table if not exists person_alias (
    person_key text, resolved_key text, event_number bigint, replaced_by bigint
);
create table if not exists followed_event (number bigint);
"""
_PLACE = "stream_key, kafka_partition, kafka_offset"
_LINKS = pa.schema(
    [
        ("stream_key", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("linked_key", pa.string()),
        ("number", pa.int64()),
    ]
)
_ALIASES = pa.schema([("person_key", pa.string()), ("resolved_key", pa.string())])


def make_identity_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty tables where there are none."""
    connection.execute(_TABLES)


def follow_identity(connection: duckdb.DuckDBPyConnection, control: sa.Engine) -> int:
    """Bring the tables to the newest event; returns its number. Costs what is new, and the merges that hold."""
    make_identity_tables(connection)
    number, followed = newest_event(control), followed_event(connection)
    if number < followed:  # another store, from a backup: what was followed never happened in it
        _forget(connection)
        followed = 0
    if number > followed:
        placed = [e for e in events(control, PLACING, after=followed) if e.number <= number]
        state = fold(e for e in events(control, ALIAS_KINDS) if e.number <= number)
        _follow_aliases(connection, state, number)
        _follow_links(connection, placed, number)
        connection.execute("delete from followed_event")
        connection.execute("insert into followed_event values ($1)", [number])
    return number


def followed_event(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the event that the tables have come to."""
    return int(connection.execute("select coalesce(max(number), 0) from followed_event").fetchall()[0][0])


def _forget(connection: duckdb.DuckDBPyConnection) -> None:
    for table in ("person_link", "person_alias", "followed_event"):
        connection.execute(f"delete from {table}")


def _follow_aliases(connection: duckdb.DuckDBPyConnection, state: IdentityState, number: int) -> None:
    """What was merged and isn't any more leads to itself."""
    with _registered(connection, "alias_now", _table(state.aliases.items(), _ALIASES)):
        connection.execute(
            """create or replace temp table changed_alias as
            with before as (select person_key, resolved_key from person_alias where replaced_by is null)
            select coalesce(n.person_key, b.person_key) as person_key,
                coalesce(n.resolved_key, b.person_key) as resolved_key
            from alias_now as n full join before as b on b.person_key = n.person_key
            where coalesce(n.resolved_key, b.person_key) is distinct from b.resolved_key"""
        )
    connection.execute(
        """update person_alias set replaced_by = $1
        where replaced_by is null and person_key in (select person_key from changed_alias)""",
        [number],
    )
    connection.execute(
        "insert into person_alias select person_key, resolved_key, $1, null from changed_alias", [number]
    )


def _follow_links(connection: duckdb.DuckDBPyConnection, placed: Sequence[Event], number: int) -> None:
    rows = ((e.stream, e.kafka_partition, e.kafka_offset, e.person_key, e.number) for e in placed)
    with _registered(connection, "placed", _table(rows, _LINKS)):
        connection.execute(
            f"""create or replace temp table changed_link as
            select {_PLACE}, arg_max(linked_key, number) as linked_key from placed group by all"""
        )
    connection.execute(
        f"""insert into changed_link select {_PLACE}, linked_key from person_link
        where replaced_by is null and linked_key in (select person_key from changed_alias)
            and ({_PLACE}) not in (select ({_PLACE}) from changed_link)"""
    )
    connection.execute(
        f"""update person_link set replaced_by = $1
        where replaced_by is null and ({_PLACE}) in (select ({_PLACE}) from changed_link)""",
        [number],
    )
    connection.execute(
        f"""insert into person_link
        select {_PLACE}, linked_key, coalesce(a.resolved_key, linked_key), $1, null
        from changed_link left join person_alias as a on a.person_key = linked_key and a.replaced_by is null""",
        [number],
    )


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> Iterator[None]:
    connection.register(name, table)
    yield
    connection.unregister(name)


def _table(rows: Iterable[Sequence[object]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def aliases(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    """Each merged pseudonym with the one that is left of it."""
    found = connection.execute(
        "select person_key, resolved_key from person_alias where replaced_by is null and person_key <> resolved_key"
    )
    return dict(found.fetchall())
