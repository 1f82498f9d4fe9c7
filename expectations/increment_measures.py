"""The batch rules that one increment answers by itself, or with the keys that have landed so far."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.contracts.batch_rules import BatchRule, ClockSkew, Freshness, Known, Unique
from datacentre.control.landed_keys import landed, landed_elsewhere
from datacentre.control.profiles import HOUR, last_hour
from expectations.measure import Measure, of_whole, share_of
from expectations.observation import event_key, keys, reference_column

_ORIGIN = ("kafka_partition", "kafka_offset")


def increment_measures(control: sa.Engine, contract: Contract, observed: pa.Table) -> Iterator[Measure]:
    """Freshness, clock skew, uniqueness and references of the rows of `observation_query` that aren't deletions.

    The increment's own keys must have been remembered before.
    """
    live = observed.filter(pc.invert(observed["is_deleted"]))
    for rule in contract.batch_rules:
        match rule.measure:
            case Freshness() as measure if live.num_rows >= measure.minimum_rows:
                newest = max(0.0, pc.min(live["age_minutes"]).as_py() or 0.0)
                of = "minutes from the newest event to the broker"
                yield of_whole(rule, newest, measure.at_most_minutes, of, live.num_rows)
            case ClockSkew() as measure if live.num_rows >= measure.minimum_rows:
                ahead = live.filter(pc.greater(live["ahead_minutes"], measure.allowance_minutes))
                yield share_of(rule, measure.at_most, ahead.select(_ORIGIN), live.num_rows)
            case Unique() as measure:
                yield from _unique(control, rule, measure, live)
            case Known() as measure:
                yield from _known(control, rule, measure, live)


def _unique(control: sa.Engine, rule: BatchRule, measure: Unique, live: pa.Table) -> Iterator[Measure]:
    asked = keys(live, event_key(measure.columns))
    if len(asked) >= measure.minimum_rows:
        repeated = landed_elsewhere(control, asked)
        yield share_of(rule, measure.at_most, _origins(row[1:] for row in repeated), len(asked))


def _known(control: sa.Engine, rule: BatchRule, measure: Known, live: pa.Table) -> Iterator[Measure]:
    """A value is unknown where no source has it; rows that a source may not have reached yet aren't asked."""
    reached = [last_hour(control, source.partition(".")[0]) for source in measure.sources]
    until = min((hour for hour in reached if hour), default=None)
    if until is None or None in reached:
        return
    latest = pa.scalar(until + measure.grace_hours * HOUR, live["hour"].type)
    rows = live.filter(pc.less_equal(live["hour"], latest))
    wanted = [keys(rows, reference_column(measure.column, source)) for source in measure.sources]
    asked = {row[1:] for row in wanted[0]}
    if len(asked) >= measure.minimum_rows:
        known = {row[1:] for of_source in wanted for row in landed(control, of_source)}
        yield share_of(rule, measure.at_most, _origins(asked - known), len(asked))


def _origins(places: Iterable[tuple[int, int]]) -> pa.Table:
    columns = list(zip(*sorted(places), strict=True)) or [(), ()]
    return pa.table({name: pa.array(c, pa.int64()) for name, c in zip(_ORIGIN, columns, strict=True)})
