"""Change rows where they stand: the files that hold them are written anew, in one commit."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction

from lake.commit import write_files
from lake.next_commit import Actions
from lake.tables import PARTITION, table_path

Offsets = Mapping[int, np.ndarray]
"""Offsets by partition, int64."""

Change = Callable[[pa.Table, pa.Array], pa.Table | None]


def rewritten(table: DeltaTable, schema: pa.Schema, offsets: Offsets, change: Change) -> Actions:
    """What replaces the files that hold rows at `offsets`.

    `change` is given a file's rows, in the columns of `schema`, and a mask of those at the offsets; it returns all
    rows as they shall be, or None to leave the file.
    """
    actions: list = []  # type: ignore[type-arg]
    folder = table_path(table)
    for path, day in _files_with(table, offsets):
        rows = read_file(folder / path, day, schema)
        at = is_at(rows, offsets)
        changed = change(rows, at) if pc.any(at).as_py() else None
        if changed is not None:
            actions += write_files(folder, changed)
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


def read_file(file: Path, day: str, schema: pa.Schema) -> pa.Table:
    """One file's rows with all columns of today's table, null where it is older than they are."""
    held = pq.ParquetFile(file).read()
    arrays = {name: held[name] for name in held.column_names} | {PARTITION: pa.repeat(day, held.num_rows)}
    columns = [pc.cast(arrays.get(f.name, pa.nulls(held.num_rows)), f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def is_at(rows: pa.Table, offsets: Offsets) -> pa.Array:
    """Which rows stand at the offsets."""
    partitions, held = rows["kafka_partition"].to_numpy(), rows["kafka_offset"].to_numpy()
    found = np.zeros(rows.num_rows, bool)
    for partition, wanted in offsets.items():
        found |= (partitions == partition) & np.isin(held, wanted)
    return pa.array(found)
