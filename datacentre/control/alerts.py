"""Alerts that are open, and those that were; each channel is told once when one begins and once when it is over."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from datacentre.control.store import number_of, writing
from datacentre.control.tables import alert, alert_told

OPEN, RESOLVED = "open", "resolved"


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


def untold(engine: sa.Engine, channel: str) -> tuple[tuple[Alert, str], ...]:
    """What this channel has not taken yet, the oldest alert first, with the state to tell: OPEN or RESOLVED.

    That an alert is over concerns only a channel that knows of it.
    """
    c = alert.c
    knows, knows_end = _has_taken(channel, OPEN), _has_taken(channel, RESOLVED)
    state = sa.case((c.resolved_at.is_(None), OPEN), else_=RESOLVED).label("state")
    is_due = sa.or_(
        sa.and_(c.resolved_at.is_(None), ~knows),
        sa.and_(c.resolved_at.is_not(None), knows, ~knows_end),
    )
    with engine.connect() as connection:
        rows = connection.execute(sa.select(alert, state).where(is_due).order_by(c.id)).mappings()
        return tuple((Alert(**{column.name: row[column.name] for column in c}), row["state"]) for row in rows)


def mark_told(engine: sa.Engine, number: int, channel: str, state: str) -> None:
    """Note that the channel has taken it."""
    values = {"alert": number, "channel": channel, "state": state, "told_at": datetime.now(UTC)}
    with writing(engine) as connection:
        connection.execute(alert_told.insert().values(values))


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


def _has_taken(channel: str, state: str) -> sa.Exists:
    t = alert_told.c
    return sa.exists().where(t.alert == alert.c.id, t.channel == channel, t.state == state)
