"""Draw the pages of what was validated, from the control store alone: neither the lake nor a record is read."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path

import sqlalchemy as sa

from datacentre.contracts import Contract, load_contracts
from datacentre.control.certificates import held_counts, newest_held
from datacentre.control.store import opened
from datacentre.control.validation_summary import (
    DAY,
    HOUR,
    WHOLE,
    Summary,
    added,
    beginning,
    forget_validations,
    summaries,
    summaries_of_increments,
    summarise,
)
from datacentre.control.validations import known_demands, load_validation
from datacentre.pages.site import replace_site
from datacentre.pages.validation import ExpectationRecord, Held, Record, StreamRecord, validation_pages
from datacentre.settings import Settings

_DAYS = 30
_WEEK_DAYS = 7
_HELD_SHOWN = 50
_STATE = "drawn-from"


def draw_validation(settings: Settings) -> Path:
    """Draw all pages anew; returns the index."""
    now = datetime.now(UTC)
    return _draw(settings, _record(settings, now), now)


def refresh_validation(settings: Settings) -> Path | None:
    """Draw all pages anew where they would show something else than they do; returns the index if so."""
    now = datetime.now(UTC)
    record = _record(settings, now)
    state = settings.validation_pages / _STATE
    if state.exists() and state.read_text() == _fingerprint(record):
        return None
    return _draw(settings, record, now)


def _draw(settings: Settings, record: Record, now: datetime) -> Path:
    replace_site(settings.validation_pages, validation_pages(record, now) | {_STATE: _fingerprint(record)})
    return settings.validation_pages / "index.html"


def _fingerprint(record: Record) -> str:
    return hashlib.sha256(repr(record).encode()).hexdigest()


def _record(settings: Settings, now: datetime) -> Record:
    """Add up what is new, drop what is too old, and gather what the pages show."""
    contracts = load_contracts(settings.schemas)
    this_hour, today = beginning(now, HOUR), beginning(now, DAY)
    hours = tuple(this_hour - timedelta(hours=back) for back in reversed(range(24)))
    days = tuple(today - timedelta(days=back) for back in reversed(range(_DAYS)))
    with opened(settings.control_url) as control:
        summarise(control)
        forget_validations(control, today - timedelta(days=settings.validation_days))
        by_hour = _grouped(summaries_of_increments(control, HOUR, hours[0]))
        by_day = _grouped(summaries(control, DAY, days[0]))
        counts = held_counts(control)
        streams = tuple(
            _stream(control, contract, by_hour, by_day, hours, days, counts.get(key, 0))
            for key, contract in contracts.items()
        )
    return Record(streams, hours, days)


Sums = Mapping[tuple[str, str], Sequence[Summary]]


def _grouped(found: Iterable[Summary]) -> Sums:
    """By stream and expectation, oldest first."""
    groups: dict[tuple[str, str], list[Summary]] = defaultdict(list)
    for one in found:
        groups[one.stream, one.expectation].append(one)
    return groups


def _stream(
    control: sa.Engine,
    contract: Contract,
    by_hour: Sums,
    by_day: Sums,
    hours: Sequence[datetime],
    days: Sequence[datetime],
    held_count: int,
) -> StreamRecord:
    key = contract.key
    whole_hours, whole_days = by_hour.get((key, WHOLE), ()), by_day.get((key, WHOLE), ())
    certificates = newest_held(control, key, _HELD_SHOWN) if held_count else ()
    return StreamRecord(
        key=key,
        title=contract.title,
        day=_sum(key, WHOLE, whole_hours, hours[0]),
        week=_sum(key, WHOLE, whole_days, days[-_WEEK_DAYS]),
        shown=_sum(key, WHOLE, whole_days, days[0]),
        held_by_hour=_failed(whole_hours, hours),
        held_by_day=_failed(whole_days, days),
        expectations=tuple(
            ExpectationRecord(
                demand,
                week=_sum(key, name, by_day.get((key, name), ()), days[-_WEEK_DAYS]),
                shown=_sum(key, name, by_day.get((key, name), ()), days[0]),
                failed_by_day=_failed(by_day.get((key, name), ()), days),
            )
            for name, demand in known_demands(control, key).items()
        ),
        held_count=held_count,
        held=tuple(Held(c, load_validation(control, c.id)) for c in certificates),
    )


def _sum(stream: str, expectation: str, parts: Iterable[Summary], since: datetime) -> Summary:
    nothing = Summary(stream, expectation, DAY, since, 0, 0, 0, 0)
    return reduce(added, (part for part in parts if part.starts_at >= since), nothing)


def _failed(parts: Iterable[Summary], periods: Sequence[datetime]) -> tuple[int, ...]:
    counts = {part.starts_at: part.failed for part in parts}
    return tuple(counts.get(period, 0) for period in periods)
