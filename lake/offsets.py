"""The offsets that a stream's tables hold, for reconciliation."""

from pathlib import Path

import duckdb
import numpy as np

from datacentre.contracts import Contract
from lake.snapshot import snapshot

_ROWS = {
    "landed": "true",
    "identified": "has_identity",
    "quarantine": "status <> 'replayed'",
    "vault": "true",
}


def held_offsets(lake: Path, contract: Contract, rows: str) -> dict[int, np.ndarray]:
    """Offsets by partition, ascending int64, repeated where a row stands twice.

    `rows` is `landed`, `identified` (landed rows with an identity), `quarantine` (not replayed) or `vault`.
    """
    pinned = snapshot(lake, contract, "landed" if rows == "identified" else rows)
    if not pinned.files:
        return {}
    columns = duckdb.execute(
        f"""select kafka_partition, kafka_offset from read_parquet($files, hive_partitioning = false)
        where {_ROWS[rows]} order by kafka_partition, kafka_offset""",
        {"files": list(pinned.files)},
    ).fetchnumpy()
    partitions, offsets = np.asarray(columns["kafka_partition"]), np.asarray(columns["kafka_offset"])
    return {int(p): offsets[partitions == p] for p in np.unique(partitions)}
