"""Decide on quarantined rows: mark them in one commit that rewrites the files they stand in."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction

from datacentre.contracts.columns import QUARANTINE
from lake.commit import write_files
from lake.next_commit import Actions, commit_once
from lake.tables import PARTITION, table_path

Offsets = Mapping[int, np.ndarray]
"""Offsets by partition, int64."""


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
    commit_once(table, lambda: list(_rewritten(table, offsets, before, decision)), app, {"decision": app})


def _rewritten(table: DeltaTable, offsets: Offsets, before: str, decision: Decision) -> Actions:
    actions: list = []  # type: ignore[type-arg]
    folder = table_path(table)
    for path, day in _files_with(table, offsets):
        rows = _read(folder / path, day)
        wanted = pc.and_(is_at(rows, offsets), pc.equal(rows["status"], before))
        if pc.any(wanted).as_py():
            actions += write_files(folder, _changed(rows, wanted, decision))
            actions.append(RemoveAction(path, True, time.time_ns() // 1_000_000))
    return actions


def _files_with(table: DeltaTable, offsets: Offsets) -> list[tuple[str, str]]:
    """Path and ingest date of the files that may hold rows at the offsets, by the log's statistics."""
    files = pa.table(table.get_add_actions(flatten=True))
    if files.num_rows == 0:
        return []
    columns = ("path", f"partition.{PARTITION}", "min.kafka_partition", "max.kafka_partition")
    found = zip(*(files[name].to_pylist() for name in (*columns, "min.kafka_offset", "max.kafka_offset")), strict=True)
    return [
        (path, str(day))
        for path, day, first_partition, last_partition, first, last in found
        if first is None
        or any(first_partition <= p <= last_partition and _any_within(o, first, last) for p, o in offsets.items())
    ]


def _any_within(offsets: np.ndarray, first: int, last: int) -> bool:
    return bool(((offsets >= first) & (offsets <= last)).any())


def _read(file: Path, day: str) -> pa.Table:
    """One file's rows with all columns of today's quarantine, null where it is older than they are."""
    held = pq.ParquetFile(file).read()
    arrays = {name: held[name] for name in held.column_names} | {PARTITION: pa.repeat(day, held.num_rows)}
    columns = [pc.cast(arrays.get(f.name, pa.nulls(held.num_rows)), f.type) for f in QUARANTINE]
    return pa.Table.from_arrays(columns, schema=QUARANTINE)


def is_at(rows: pa.Table, offsets: Offsets) -> pa.Array:
    """Which rows stand at the offsets."""
    partitions, held = rows["kafka_partition"].to_numpy(), rows["kafka_offset"].to_numpy()
    found = np.zeros(rows.num_rows, bool)
    for partition, wanted in offsets.items():
        found |= (partitions == partition) & np.isin(held, wanted)
    return pa.array(found)


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
