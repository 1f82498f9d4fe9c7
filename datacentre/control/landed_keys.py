"""Where a value first landed: answers for the keys of one increment, whatever the length of history."""

import json
from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from datacentre.control.tables import landed_key

KEPT_DAYS = 35
"""How long a key is remembered that no other stream looks up: longer than any retry or a file sent again by month."""

Landed = tuple[int, int, int]
"""Key, partition, offset."""

_EPOCH = date(1970, 1, 1)
_GIVEN = {
    "sqlite": """select value ->> 0 as key, value ->> 1 as kafka_partition, value ->> 2 as kafka_offset
        from json_each(:given)""",
    "postgresql": """select cast(value ->> 0 as bigint) as key, cast(value ->> 1 as integer) as kafka_partition,
        cast(value ->> 2 as bigint) as kafka_offset from json_array_elements(cast(:given as json))""",
}


def remember(connection: sa.Connection, rows: Sequence[Landed], landed_on: date | None) -> None:
    """Note the keys that aren't known yet, in the given order; with a day, for KEPT_DAYS from it, else for good."""
    day = None if landed_on is None else (landed_on - _EPOCH).days
    connection.execute(
        sa.text(
            f"""insert into landed_key (key, kafka_partition, kafka_offset, landed_on)
            select key, kafka_partition, kafka_offset, :day from ({_given(connection)}) as given where true
            on conflict (key) do nothing"""
        ).bindparams(sa.bindparam("day", type_=sa.Integer)),
        {"given": json.dumps(rows), "day": day},
    )


def forget_before(connection: sa.Connection, newest: date) -> None:
    """Drop what is older than KEPT_DAYS on the day `newest`."""
    oldest = (newest - _EPOCH).days - KEPT_DAYS
    connection.execute(landed_key.delete().where(landed_key.c.landed_on < oldest))


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
