"""How old records were when the marts first showed them: the table `ops_freshness`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from datacentre.control.store import writing
from datacentre.control.tables import ops_freshness


@dataclass(frozen=True)
class Freshness:
    """One stream's new rows in one published version of the marts, with their ages in seconds.

    `produced_*` count from the broker's time of a record, `event_*` from the time that its agency gives; those are
    None where it gives dates only.
    """

    stream: str
    version: str
    published_at: datetime
    rows: int
    produced_p50: float
    produced_p95: float
    event_p50: float | None
    event_p95: float | None


def store_freshness(engine: sa.Engine, measured: Iterable[Freshness]) -> None:
    """Keep what one build has measured."""
    if rows := [asdict(m) for m in measured]:
        with writing(engine) as connection:
            connection.execute(ops_freshness.insert(), rows)


def newest_freshness(engine: sa.Engine) -> dict[str, Freshness]:
    """By stream, of the last version that showed new rows of it."""
    c = ops_freshness.c
    last = sa.select(sa.func.max(c.id)).group_by(c.stream)
    query = sa.select(*(col for col in c if col.name != "id")).where(c.id.in_(last))
    with engine.connect() as connection:
        return {row["stream"]: Freshness(**row) for row in connection.execute(query).mappings()}
