"""What has landed by hour of the broker's clock, and how a column's values were spread: the table `hour_profile`.

A row of the lake is counted once, when it is first checked, whatever the check says of it; checked again it finds the
counts of the first time. So a second check of the same offsets is held against the same numbers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from datacentre.control.ranges import OffsetRange
from datacentre.control.tables import hour_profile

KEPT_DAYS = 64
"""Eight weeks, the furthest that a rule looks back, and a week to check again in."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Counts = Mapping[str, Mapping[str, int]]
"""Rows by column and class."""

_c = hour_profile.c


@dataclass(frozen=True)
class Slice:
    """Rows of one partition within one hour; offsets `[first_offset, next_offset)`."""

    hour: datetime
    partition: int
    rows: int
    first_offset: int
    next_offset: int
    counts: Counts


def positions(engine: sa.Engine, stream: str) -> dict[int, int]:
    """By partition, the offset up to which rows have been counted."""
    with engine.connect() as connection:
        return _positions(connection, stream)


def add(connection: sa.Connection, stream: str, slices: Iterable[Slice], counted: Mapping[int, int]) -> None:
    """Count slices that begin at `counted`, the positions they were made from.

    A partition that another check has counted further in the meantime is left out. Forgets hours older than KEPT_DAYS.
    """
    now = _positions(connection, stream)
    new = [s for s in slices if now.get(s.partition, 0) == counted.get(s.partition, 0)]
    for piece in sorted(new, key=lambda s: (s.hour, s.partition)):
        _add(connection, stream, piece)
    if new:
        oldest = max(s.hour for s in new) - KEPT_DAYS * DAY
        connection.execute(hour_profile.delete().where(_c.stream == stream, _c.hour < oldest))


def _positions(connection: sa.Connection, stream: str) -> dict[int, int]:
    following = sa.func.max(_c.next_offset, type_=sa.BigInteger).label("following")
    query = sa.select(_c.partition, following).where(_c.stream == stream).group_by(_c.partition)
    return {row.partition: row.following for row in connection.execute(query)}


def _add(connection: sa.Connection, stream: str, piece: Slice) -> None:
    same = (_c.stream == stream, _c.hour == piece.hour, _c.partition == piece.partition)
    known = connection.execute(sa.select(_c.rows, _c.counts).where(*same)).first()
    if known is not None:
        values = {
            "rows": known.rows + piece.rows,
            "next_offset": piece.next_offset,
            "counts": merged([known.counts, piece.counts]),
        }
        connection.execute(hour_profile.update().where(*same).values(values))
        return
    reached = sa.select(_c.hour).where(_c.stream == stream, _c.is_opening, _c.hour >= piece.hour).limit(1)
    is_opening = connection.execute(reached).first() is None
    values = {"stream": stream, "is_opening": is_opening, **vars(piece)}
    connection.execute(hour_profile.insert().values(values))


def opened_hours(engine: sa.Engine, stream: str, ranges: Iterable[OffsetRange]) -> list[tuple[datetime, datetime]]:
    """The hours that the stream reached within these offsets, ascending, each with the hour it had reached before."""
    inside = sa.or_(
        *(sa.and_(_c.partition == r.partition, _c.first_offset >= r.start, _c.first_offset < r.next) for r in ranges)
    )
    openings = sa.select(_c.hour).where(_c.stream == stream, _c.is_opening)
    opened: list[tuple[datetime, datetime]] = []
    with engine.connect() as connection:
        for row in connection.execute(openings.where(inside).order_by(_c.hour)).all():
            before = openings.where(_c.hour < row.hour).order_by(_c.hour.desc()).limit(1)
            if (earlier := connection.execute(before).scalar()) is not None:
                opened.append((row.hour, earlier))
    return opened


def first_hour(engine: sa.Engine, stream: str) -> datetime | None:
    return _bound(engine, stream, sa.func.min(_c.hour))


def last_hour(engine: sa.Engine, stream: str) -> datetime | None:
    """The newest hour that the stream has reached; None where nothing of it was checked."""
    return _bound(engine, stream, sa.func.max(_c.hour))


def _bound(engine: sa.Engine, stream: str, bound: sa.ColumnElement[Any]) -> datetime | None:
    with engine.connect() as connection:
        return connection.execute(sa.select(bound).where(_c.stream == stream)).scalar()


def rows_in(engine: sa.Engine, stream: str, hours: Sequence[datetime]) -> dict[datetime, int]:
    """Rows of each of these hours; 0 where there was none."""
    query = sa.select(_c.hour, _c.rows).where(_c.stream == stream, _c.hour.in_(hours))
    found: Counter[datetime] = Counter()
    with engine.connect() as connection:
        for row in connection.execute(query):
            found[row.hour] += row.rows
    return {hour: found[hour] for hour in hours}


def counts_by_day(engine: sa.Engine, stream: str, start: datetime, end: datetime) -> dict[datetime, Counts]:
    """Counts of the UTC days in `[start, end)` that have any, by their first instant."""
    query = sa.select(_c.hour, _c.counts).where(_c.stream == stream, _c.hour >= start, _c.hour < end)
    days: dict[datetime, list[Counts]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query):
            days.setdefault(row.hour.replace(hour=0), []).append(row.counts)
    return {day: merged(of_day) for day, of_day in days.items()}


def merged(all_counts: Iterable[Counts]) -> dict[str, dict[str, int]]:
    """Counts added up."""
    total: dict[str, Counter[str]] = {}
    for counts in all_counts:
        for column, classes in counts.items():
            total.setdefault(column, Counter()).update(classes)
    return {column: dict(classes) for column, classes in total.items()}
