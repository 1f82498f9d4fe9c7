"""Where a value first landed: answers for the keys of one increment, whatever the length of history.

A key of an event has the day of the event in its upper bits: the keys of an increment lie close together, so that a
database touches few pages for them however many there are. Keys that are looked up by value lie anywhere, below 0.
"""

import json
from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from datacentre.control.tables import landed_key

KEPT_DAYS = 100
"""How long the key of an event is remembered, by the day of the event: longer than any retry or a quarter's file."""

DAY_BITS, HASH_BITS = 15, 48

Landed = tuple[int, int, int]
"""Key, partition, offset."""

_EPOCH = date(1970, 1, 1)
_GIVEN = {
    "sqlite": """select value ->> 0 as key, value ->> 1 as kafka_partition, value ->> 2 as kafka_offset
        from json_each(:given)""",
    "postgresql": """select cast(value ->> 0 as bigint) as key, cast(value ->> 1 as integer) as kafka_partition,
        cast(value ->> 2 as bigint) as kafka_offset from json_array_elements(cast(:given as json))""",
}


def remember(connection: sa.Connection, rows: Sequence[Landed]) -> None:
    """Note the keys that aren't known yet, in the given order."""
    connection.execute(
        sa.text(
            f"""insert into landed_key (key, kafka_partition, kafka_offset)
            select key, kafka_partition, kafka_offset from ({_given(connection)}) as given where true
            on conflict (key) do nothing"""
        ),
        {"given": json.dumps(rows)},
    )


def forget_before(connection: sa.Connection, newest: date) -> None:
    """Drop the keys of events that are older than KEPT_DAYS on the day `newest`."""
    oldest = (newest - _EPOCH).days - KEPT_DAYS
    key = landed_key.c.key
    connection.execute(landed_key.delete().where(key >= 0, key < oldest << HASH_BITS))


def landed_elsewhere(engine: sa.Engine, rows: Sequence[Landed]) -> list[Landed]:
    """Those of the rows whose key first landed at another place than their own."""
    condition = "known.kafka_partition <> given.kafka_partition or known.kafka_offset <> given.kafka_offset"
    return _joined(engine, rows, condition)


def landed(engine: sa.Engine, rows: Sequence[Landed]) -> list[Landed]:
    """Those of the rows whose key has landed, wherever."""
    return _joined(engine, rows, "true")


def _joined(engine: sa.Engine, rows: Sequence[Landed], condition: str) -> list[Landed]:
    with engine.connect() as connection:
        query = f"""select given.key, given.kafka_partition, given.kafka_offset from ({_given(connection)}) as given
            join landed_key as known on known.key = given.key where {condition}"""
        found = connection.execute(sa.text(query), {"given": json.dumps(rows)})
        return [(row.key, row.kafka_partition, row.kafka_offset) for row in found]


def _given(connection: sa.Connection) -> str:
    """The rows as a relation: one parameter, however many there are."""
    return _GIVEN[connection.dialect.name]
