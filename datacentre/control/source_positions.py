"""How far each database source has read, and which Kafka keys it has sent."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from datacentre.control.store import insert_into, writing
from datacentre.control.tables import source_key, source_position

_NOT_SCANNED = 0


def load_position(engine: sa.Engine, source: str) -> Any:
    """The position as it was stored, or None."""
    query = sa.select(source_position.c.position).where(source_position.c.source == source)
    with engine.connect() as connection:
        return connection.execute(query).scalar_one_or_none()


def store_position(engine: sa.Engine, source: str, position: Any) -> None:
    """Replace the source's position; `position` must be JSON."""
    values = {"source": source, "position": position, "stored_at": datetime.now(UTC)}
    changed = {name: values[name] for name in ("position", "stored_at")}
    with writing(engine) as connection:
        statement = insert_into(source_position, engine.dialect).values(values)
        connection.execute(statement.on_conflict_do_update(index_elements=["source"], set_=changed))


def begin_scan(engine: sa.Engine, source: str) -> int:
    """A number higher than that of any scan before."""
    query = sa.select(sa.func.max(source_key.c.scan)).where(source_key.c.source == source)
    with engine.connect() as connection:
        return int(connection.execute(query).scalar() or _NOT_SCANNED) + 1


def add_keys(engine: sa.Engine, source: str, keys: Iterable[str]) -> None:
    """Note keys that are about to be sent; those that are known stay as they are."""
    rows = [{"source": source, "key": key, "scan": _NOT_SCANNED} for key in sorted(set(keys))]
    if rows:
        with writing(engine) as connection:
            connection.execute(insert_into(source_key, engine.dialect).on_conflict_do_nothing(), rows)


def mark_keys(engine: sa.Engine, source: str, keys: Iterable[str], scan: int) -> None:
    """Note that a scan has seen these keys, known or not."""
    rows = [{"source": source, "key": key, "scan": scan} for key in sorted(set(keys))]
    if rows:
        insert = insert_into(source_key, engine.dialect)
        upsert = insert.on_conflict_do_update(index_elements=["source", "key"], set_={"scan": insert.excluded.scan})
        with writing(engine) as connection:
            connection.execute(upsert, rows)


def unseen_keys(engine: sa.Engine, source: str, scan: int, limit: int) -> tuple[str, ...]:
    """Up to `limit` keys that the scan has not seen, in order."""
    c = source_key.c
    query = sa.select(c.key).where(c.source == source, c.scan < scan).order_by(c.key).limit(limit)
    with engine.connect() as connection:
        return tuple(connection.execute(query).scalars())


def drop_keys(engine: sa.Engine, source: str, keys: Sequence[str]) -> None:
    """Forget keys whose deletion was acknowledged."""
    if keys:
        c = source_key.c
        delete = source_key.delete().where(c.source == source, c.key == sa.bindparam("gone"))
        with writing(engine) as connection:
            connection.execute(delete, [{"gone": key} for key in keys])
