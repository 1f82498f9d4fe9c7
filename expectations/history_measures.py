"""The batch rules that hold an increment, or the hours and days that end with it, against those of before.

Nothing here reads the clock. What ends with an increment is told by the offsets at which the stream reached an hour, so
a second check of the same offsets asks the same of the same hours. An hour is judged when the next but one begins: by
then partitions that lag have arrived.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.contracts.batch_rules import BatchRule, CodeShares, Distribution, Drift, Volume
from datacentre.control.profiles import DAY, HOUR, Counts, counts_by_day, first_hour, merged, opened_hours, rows_in
from datacentre.control.ranges import OffsetRange
from expectations.drift import Classes, largest_move, stability_index, unused_share
from expectations.measure import Measure, of_whole
from expectations.observation import class_column, class_counts

WEEK = timedelta(weeks=1)
BASELINE_DAYS, MINIMUM_DAYS = 28, 7
"""Days before that a distribution is held against: so far back, and at least so many with rows."""

_MOST_HOURS = 7 * 24


def history_measures(
    control: sa.Engine, contract: Contract, ranges: Sequence[OffsetRange], observed: pa.Table
) -> Iterator[Measure]:
    """Volume of the hours that end here, drift of the days that do, and of the increment if it is large enough.

    `observed` are the rows of `observation_query`; they must have been counted in the profile before.
    """
    ended = ended_hours(opened_hours(control, contract.key, ranges))
    days = [hour.replace(hour=0) for hour in ended if hour.hour == 23]
    for rule in contract.batch_rules:
        match rule.measure:
            case Volume() as measure if ended:
                yield from _volume(control, contract.key, rule, measure, ended)
            case (Distribution() | CodeShares()) as measure if measure.over == "day":
                found = [m for day in days for m in _drift_of_day(control, contract.key, rule, measure, day)]
                yield from _worst(found)
            case (Distribution() | CodeShares()) as measure:
                yield from _drift_of_increment(control, contract, rule, measure, observed)


def ended_hours(opened: Iterable[tuple[datetime, datetime]]) -> list[datetime]:
    """The hours that are judged where a stream opens hours, each given with the one it had reached before.

    Each hour of a stream's life comes once, those without rows too; after a long silence only the last week of it.
    """
    ended: list[datetime] = []
    for hour, before in opened:
        span = int((hour - before) / HOUR)
        ended += [before + (n - 1) * HOUR for n in range(max(0, span - _MOST_HOURS), span)]
    return ended


def _volume(
    control: sa.Engine, stream: str, rule: BatchRule, measure: Volume, ended: Sequence[datetime]
) -> Iterator[Measure]:
    """The hour that is furthest off, of those that are over."""
    begun = first_hour(control, stream)
    asked = [hour for hour in ended if begun is not None and begun <= hour - measure.weeks * WEEK]
    weeks = range(measure.weeks + 1)
    rows = rows_in(control, stream, [hour - n * WEEK for hour in asked for n in weeks])
    usual = {hour: median(rows[hour - n * WEEK] for n in weeks[1:]) for hour in asked}
    factors = {hour: rows[hour] / usual[hour] for hour in asked if usual[hour] >= measure.minimum_rows}
    if factors:
        hour = max(factors, key=lambda h: _distance(factors[h]))
        of = f"{rows[hour]} rows in the hour from {hour:%F %H:00} UTC, usually {usual[hour]:g}: the part of it"
        yield of_whole(rule, factors[hour], measure.at_most, of, rows[hour], at_least=measure.at_least)


def _distance(factor: float) -> float:
    """A half is as far from one as a double."""
    return max(factor, 1 / factor) if factor > 0 else float("inf")


def _drift_of_day(control: sa.Engine, stream: str, rule: BatchRule, measure: Drift, day: datetime) -> Iterator[Measure]:
    now = counts_by_day(control, stream, day, day + DAY).get(day, {})
    yield from _drift(control, stream, rule, measure, now, day)


def _drift_of_increment(
    control: sa.Engine, contract: Contract, rule: BatchRule, measure: Drift, observed: pa.Table
) -> Iterator[Measure]:
    """Against the days before the one of its first row."""
    if observed.num_rows < measure.minimum_rows:
        return
    first = pc.min(observed["hour"]).as_py().astimezone(UTC).replace(hour=0)
    yield from _drift(control, contract.key, rule, measure, class_counts(contract, observed), first)


def _drift(
    control: sa.Engine, stream: str, rule: BatchRule, measure: Drift, all_now: Counts, day: datetime
) -> Iterator[Measure]:
    column = class_column(measure)
    now = all_now.get(column, {})
    if sum(now.values()) < measure.minimum_rows:
        return
    days = counts_by_day(control, stream, day - BASELINE_DAYS * DAY, day)
    known = [counts for counts in days.values() if sum(counts.get(column, {}).values())]
    before = merged(known).get(column, {})
    if len(known) >= MINIMUM_DAYS and sum(before.values()) >= measure.minimum_rows:
        yield from _compared(rule, measure, now, before)


def _compared(rule: BatchRule, measure: Drift, now: Classes, before: Classes) -> Iterator[Measure]:
    asked = sum(now.values())
    of = f"of {measure.column}, {asked} rows against {sum(before.values())}"
    if isinstance(measure, Distribution):
        yield of_whole(rule, stability_index(now, before), measure.at_most, f"stability index {of}", asked)
        return
    _, unused_name = rule.names
    yield of_whole(rule, largest_move(now, before), measure.at_most_move, f"largest move of a share {of}", asked)
    unused = unused_share(now, before)
    yield of_whole(rule, unused, measure.at_most_unused, f"share of unused codes {of}", asked, name=unused_name)


def _worst(found: Iterable[Measure]) -> Iterable[Measure]:
    """Of several days the one furthest off, for each name."""
    worst: dict[str, Measure] = {}
    for measure in found:
        if measure.rule not in worst or measure.value > worst[measure.rule].value:
            worst[measure.rule] = measure
    return worst.values()
