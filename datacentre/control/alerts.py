"""Alerts that are open, and those that were: told once when they begin and once when they are over."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from datacentre.control.store import number_of, writing
from datacentre.control.tables import alert


@dataclass(frozen=True)
class Alert:
    """One row of the store; open while `resolved_at` is None. `stream` is empty where it concerns none."""

    id: int
    kind: str
    stream: str
    text: str
    raised_at: datetime
    seen_at: datetime
    times: int
    told_at: datetime | None
    resolved_at: datetime | None


def raise_alert(engine: sa.Engine, kind: str, stream: str, text: str) -> Alert:
    """Open an alert, or see the open one of this kind and stream once more, with its newest text."""
    c, now = alert.c, datetime.now(UTC)
    with writing(engine) as connection:
        known = connection.execute(sa.select(c.id).where(*_is_open(kind, stream))).scalar()
        if known is None:
            values = {"kind": kind, "stream": stream, "text": text, "raised_at": now, "seen_at": now, "times": 1}
            known = number_of(connection.execute(alert.insert().values(values)))
        else:
            connection.execute(alert.update().where(c.id == known).values(text=text, seen_at=now, times=c.times + 1))
        return Alert(**connection.execute(sa.select(alert).where(c.id == known)).mappings().one())


def resolve_alert(engine: sa.Engine, kind: str, stream: str) -> Alert | None:
    """Close the open alert of this kind and stream; None where there is none, the common case, which writes nothing."""
    c = alert.c
    with engine.connect() as connection:
        if connection.execute(sa.select(c.id).where(*_is_open(kind, stream))).scalar() is None:
            return None
    with writing(engine) as connection:
        row = connection.execute(sa.select(alert).where(*_is_open(kind, stream))).mappings().first()
        if row is None:
            return None
        now = datetime.now(UTC)
        connection.execute(alert.update().where(c.id == row["id"]).values(resolved_at=now))
        return Alert(**{**row, "resolved_at": now})


def mark_told(engine: sa.Engine, number: int) -> None:
    """Note that every channel has taken it."""
    with writing(engine) as connection:
        connection.execute(alert.update().where(alert.c.id == number).values(told_at=datetime.now(UTC)))


def open_alerts(engine: sa.Engine) -> tuple[Alert, ...]:
    """Oldest first."""
    return _alerts(engine, sa.select(alert).where(alert.c.resolved_at.is_(None)).order_by(alert.c.id))


def recent_alerts(engine: sa.Engine, limit: int = 100) -> tuple[Alert, ...]:
    """Open and resolved ones, newest first."""
    return _alerts(engine, sa.select(alert).order_by(alert.c.id.desc()).limit(limit))


def _alerts(engine: sa.Engine, query: sa.Select[tuple[object, ...]]) -> tuple[Alert, ...]:
    with engine.connect() as connection:
        return tuple(Alert(**row) for row in connection.execute(query).mappings())


def _is_open(kind: str, stream: str) -> tuple[sa.ColumnElement[bool], ...]:
    c = alert.c
    return c.kind == kind, c.stream == stream, c.resolved_at.is_(None)
