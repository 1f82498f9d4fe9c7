"""Validations added up by hour and by day, so that looking back costs little and lasts."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from datacentre.control.store import insert_into, writing
from datacentre.control.tables import validation, validation_summary
from datacentre.control.validations import KeptValidation, Result, take_new

WHOLE = ""
"""Stands for the increment as a whole among the expectations."""
HOUR, DAY = 1, 24
_AT_ONCE = 1000
_KEY = ("stream", "expectation", "hours", "starts_at")
_COUNTS = ("asked", "failed", "rows", "unexpected")


@dataclass(frozen=True)
class Summary:
    """One expectation over one hour or day (`hours` 1 or 24): in how many increments it was asked and failed, over
    how many rows, and the certificates that last met and last failed it."""

    stream: str
    expectation: str
    hours: int
    starts_at: datetime
    asked: int
    failed: int
    rows: int
    unexpected: int
    last_met_id: int | None = None
    last_met_at: datetime | None = None
    last_failed_id: int | None = None
    last_failed_at: datetime | None = None


def summarise(engine: sa.Engine) -> int:
    """Add up what was validated since the last time; returns how many validations that were. Safe to repeat."""
    done = 0
    while count := _summarise_next(engine):
        done += count
    return done


def forget_validations(engine: sa.Engine, before: datetime) -> None:
    """Drop single validations and hours from before that moment; days stay."""
    s = validation_summary.c
    with writing(engine) as connection:
        connection.execute(validation.delete().where(validation.c.validated_at < before))
        connection.execute(validation_summary.delete().where(s.hours == HOUR, s.starts_at < before))


def summaries(engine: sa.Engine, hours: int, since: datetime) -> tuple[Summary, ...]:
    """The hours or days that begin at that moment or later, oldest first."""
    c = validation_summary.c
    return _read(engine, c.hours == hours, c.starts_at >= since)


def summaries_of_increments(engine: sa.Engine, hours: int, since: datetime) -> tuple[Summary, ...]:
    """As `summaries`, of the increments as a whole only."""
    c = validation_summary.c
    return _read(engine, c.hours == hours, c.starts_at >= since, c.expectation == WHOLE)


def _read(engine: sa.Engine, *conditions: sa.ColumnElement[bool]) -> tuple[Summary, ...]:
    c = validation_summary.c
    query = sa.select(validation_summary).where(*conditions).order_by(c.starts_at, c.stream, c.expectation)
    with engine.connect() as connection:
        return tuple(Summary(**row) for row in connection.execute(query).mappings())


def added(one: Summary, later: Summary) -> Summary:
    """Both together, under the key of the first."""
    return replace(
        one,
        asked=one.asked + later.asked,
        failed=one.failed + later.failed,
        rows=one.rows + later.rows,
        unexpected=one.unexpected + later.unexpected,
        last_met_id=later.last_met_id or one.last_met_id,
        last_met_at=later.last_met_at or one.last_met_at,
        last_failed_id=later.last_failed_id or one.last_failed_id,
        last_failed_at=later.last_failed_at or one.last_failed_at,
    )


def _summarise_next(engine: sa.Engine) -> int:
    """Taken and added in one transaction, so that nothing is counted twice."""
    with writing(engine) as connection:
        kept = take_new(connection, _AT_ONCE)
        if kept:
            _add(connection, _together(s for one in kept for s in _of(one)))
    return len(kept)


def _together(parts: Iterable[Summary]) -> Iterable[Summary]:
    sums: dict[tuple[object, ...], Summary] = {}
    for part in parts:
        key = tuple(getattr(part, name) for name in _KEY)
        sums[key] = added(sums[key], part) if key in sums else part
    return sums.values()


def _of(kept: KeptValidation) -> Iterator[Summary]:
    """What one validation adds to its hour and to its day."""
    found = kept.validation
    whole = Result(WHOLE, found.rows, 0, found.is_passed)
    for result in (whole, *found.results):
        for hours in (HOUR, DAY):
            yield _summary(kept, result, hours)


def _summary(kept: KeptValidation, result: Result, hours: int) -> Summary:
    last = (kept.certificate_id, kept.validated_at)
    met, failed = (last, (None, None)) if result.is_met else ((None, None), last)
    return Summary(
        kept.stream,
        result.expectation,
        hours,
        starts_at=beginning(kept.validated_at, hours),
        asked=1,
        failed=int(not result.is_met),
        rows=result.rows,
        unexpected=result.unexpected_count,
        last_met_id=met[0],
        last_met_at=met[1],
        last_failed_id=failed[0],
        last_failed_at=failed[1],
    )


def beginning(at: datetime, hours: int) -> datetime:
    """Of the UTC hour or day that a moment lies in."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour - timedelta(hours=hour.hour % hours)


def _add(connection: sa.Connection, parts: Iterable[Summary]) -> None:
    insert, c = insert_into(validation_summary, connection.dialect), validation_summary.c
    new = insert.excluded
    sums = {name: c[name] + new[name] for name in _COUNTS}
    latest = {c.name: sa.func.coalesce(new[c.name], c) for c in validation_summary.c if c.name.startswith("last_")}
    upsert = insert.on_conflict_do_update(index_elements=list(_KEY), set_=sums | latest)
    connection.execute(upsert, [asdict(part) for part in parts])
