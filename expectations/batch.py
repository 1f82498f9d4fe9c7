"""Ask the batch rules of a contract: count what is new, then measure the increment against what is known."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.control import landed_keys, profiles
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import writing
from expectations.history_measures import history_measures
from expectations.increment_measures import increment_measures
from expectations.measure import Measure
from expectations.observation import keys, remembered, slices


def measure_batch(
    control: sa.Engine, contract: Contract, ranges: Sequence[OffsetRange], observed: pa.Table
) -> tuple[Measure, ...]:
    """All that could be measured of an increment; `observed` are its rows of `observation_query`.

    Its cost grows with the increment, not with history. Asked again of the same offsets it gives the same, but for a
    value that another stream has landed in the meantime.
    """
    if not contract.batch_rules and not contract.looked_up:
        return ()
    _count(control, contract, observed)
    found = [*history_measures(control, contract, ranges, observed), *increment_measures(control, contract, observed)]
    order = [name for rule in contract.batch_rules for name in rule.names]
    return tuple(sorted(found, key=lambda m: order.index(m.rule)))


def _count(control: sa.Engine, contract: Contract, observed: pa.Table) -> None:
    """Rows that no check has seen yet: into the profile by hour, their keys among those that have landed."""
    counted = profiles.positions(control, contract.key)
    new = observed.filter(_not_below(observed, counted))
    if not new.num_rows:
        return
    parts = slices(contract, new)
    newest = max(part.hour for part in parts).date()
    live = new.filter(pc.invert(new["is_deleted"]))
    with writing(control) as connection:
        profiles.add(connection, contract.key, parts, counted)
        for column in remembered(contract):
            landed_keys.remember(connection, keys(live, column))
        landed_keys.forget_before(connection, newest)


def _not_below(observed: pa.Table, positions: dict[int, int]) -> pa.ChunkedArray:
    wanted = pa.chunked_array([pa.repeat(True, observed.num_rows)])
    for partition, following in positions.items():
        counted = pc.and_(
            pc.equal(observed["kafka_partition"], partition), pc.less(observed["kafka_offset"], following)
        )
        wanted = pc.and_(wanted, pc.invert(counted))
    return wanted
