"""Decide on quarantined rows: mark them in one commit that rewrites the files they stand in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from datacentre.contracts.columns import QUARANTINE
from lake.next_commit import commit_once
from lake.rewrite import Offsets, rewritten


@dataclass(frozen=True)
class Decision:
    """What is written on a row: its new status, by which replay and repair, by whom, when and why."""

    status: str
    replay_id: str | None = None
    patch: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


def decide(table: DeltaTable, offsets: Offsets, before: str, decision: Decision, app: str) -> None:
    """Write `decision` on the rows of quarantine at `offsets` that have status `before`, all in one commit.

    The commit is tied to transaction `app`. Rows keep everything else that they hold. Raises SourceUnavailable
    when other writers kept coming first.
    """

    def change(rows: pa.Table, at: pa.Array) -> pa.Table | None:
        wanted = pc.and_(at, pc.equal(rows["status"], before))
        return _changed(rows, wanted, decision) if pc.any(wanted).as_py() else None

    commit_once(table, lambda: rewritten(table, QUARANTINE, offsets, change), app, {"decision": app})


def _changed(rows: pa.Table, wanted: pa.Array, decision: Decision) -> pa.Table:
    for name in Decision.__dataclass_fields__:
        place, kind = rows.schema.get_field_index(name), QUARANTINE.field(name).type
        new = pc.if_else(wanted, pa.scalar(getattr(decision, name), kind), rows[name])
        rows = rows.set_column(place, QUARANTINE.field(name), new)
    return rows


def offsets_of(rows: pa.Table) -> dict[int, np.ndarray]:
    """The rows' offsets by partition, ascending."""
    partitions, offsets = rows["kafka_partition"].to_numpy(), rows["kafka_offset"].to_numpy()
    return {int(p): np.sort(offsets[partitions == p]) for p in np.unique(partitions)}


def ranges_of(offsets: Offsets) -> Iterator[tuple[int, int, int]]:
    """Neighbouring offsets joined, as `(partition, start, next)`, ascending."""
    for partition, of_partition in sorted(offsets.items()):
        for run in np.split(of_partition, np.flatnonzero(np.diff(of_partition) > 1) + 1):
            yield partition, int(run[0]), int(run[-1]) + 1
