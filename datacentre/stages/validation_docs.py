"""Draw the pages of what was validated, from the control store alone: neither the lake nor a record is read."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
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
from datacentre.control.validations import Demand, known_demands, load_validation
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
        by_hour = _Sums(hours, summaries_of_increments(control, HOUR, hours[0]))
        by_day = _Sums(days, summaries(control, DAY, days[0]))
        counts = held_counts(control)
        streams = tuple(_stream(control, c, by_hour, by_day, counts.get(key, 0)) for key, c in contracts.items())
    return Record(streams, hours, days)


class _Sums:
    """Sums of periods that follow each other, the oldest first."""

    def __init__(self, periods: Sequence[datetime], found: Iterable[Summary]):
        self._periods = periods
        self._parts: dict[tuple[str, str], list[Summary]] = defaultdict(list)
        for part in found:
            self._parts[part.stream, part.expectation].append(part)

    def last(self, count: int, stream: str, expectation: str) -> Summary:
        """Over so many periods up to the newest."""
        since = self._periods[-count]
        parts = (part for part in self._parts[stream, expectation] if part.starts_at >= since)
        return reduce(added, parts, Summary(stream, expectation, DAY, since, 0, 0, 0, 0))

    def failed(self, stream: str, expectation: str) -> tuple[int, ...]:
        """By period."""
        counts = {part.starts_at: part.failed for part in self._parts[stream, expectation]}
        return tuple(counts.get(period, 0) for period in self._periods)


def _stream(control: sa.Engine, contract: Contract, by_hour: _Sums, by_day: _Sums, held_count: int) -> StreamRecord:
    key = contract.key
    return StreamRecord(
        key=key,
        title=contract.title,
        day=by_hour.last(24, key, WHOLE),
        week=by_day.last(_WEEK_DAYS, key, WHOLE),
        shown=by_day.last(_DAYS, key, WHOLE),
        held_by_hour=by_hour.failed(key, WHOLE),
        held_by_day=by_day.failed(key, WHOLE),
        expectations=tuple(_expectation(key, d, by_day) for d in known_demands(control, key).values()),
        held_count=held_count,
        held=_held(control, key) if held_count else (),
    )


def _expectation(stream: str, demand: Demand, by_day: _Sums) -> ExpectationRecord:
    return ExpectationRecord(
        demand,
        week=by_day.last(_WEEK_DAYS, stream, demand.expectation),
        shown=by_day.last(_DAYS, stream, demand.expectation),
        failed_by_day=by_day.failed(stream, demand.expectation),
    )


def _held(control: sa.Engine, stream: str) -> tuple[Held, ...]:
    return tuple(Held(c, load_validation(control, c.id)) for c in newest_held(control, stream, _HELD_SHOWN))
