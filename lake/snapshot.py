"""What a table holds at one version: the exact files, never a folder listing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datacentre.contracts import Contract
from lake.current import current_table
from lake.tables import table_path


@dataclass(frozen=True)
class Snapshot:
    """A pinned version of one table: its number and the absolute paths of its Parquet files."""

    version: int
    files: tuple[str, ...]


def snapshot(lake: Path, contract: Contract, layer: str) -> Snapshot:
    """The newest version; version -1 without files when nothing was ever written."""
    table = current_table(lake, contract, layer)
    if table is None:
        return Snapshot(-1, ())
    return Snapshot(table.version(), tuple(sorted(table.file_uris())))


def files_with(lake: Path, contract: Contract, layer: str, ranges: Sequence[tuple[int, int, int]]) -> Snapshot:
    """The files that may hold rows of the ranges `(partition, start, next)`, by the log's statistics."""
    table = current_table(lake, contract, layer)
    if table is None:
        return Snapshot(-1, ())
    actions = pa.table(table.get_add_actions(flatten=True))
    if actions.num_rows == 0:
        return Snapshot(table.version(), ())
    wanted = pa.array([False] * actions.num_rows)
    for partition, start, following in ranges:
        overlaps = pc.and_(
            pc.and_(
                pc.less_equal(actions["min.kafka_partition"], partition),
                pc.greater_equal(actions["max.kafka_partition"], partition),
            ),
            pc.and_(
                pc.less(actions["min.kafka_offset"], following),
                pc.greater_equal(actions["max.kafka_offset"], start),
            ),
        )
        wanted = pc.or_(wanted, pc.fill_null(overlaps, True))
    folder = table_path(table)
    paths = actions.filter(wanted)["path"].to_pylist()
    return Snapshot(table.version(), tuple(str(folder / path) for path in sorted(paths)))
