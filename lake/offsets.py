"""The offsets that a stream's tables hold, for reconciliation."""

from pathlib import Path

import duckdb
import numpy as np

from datacentre.contracts import Contract
from lake.forget import DELETED_KEYS
from lake.snapshot import snapshot

_ROWS = {
    "landed": "true",
    "identified": "has_identity",
    "quarantine": "status <> 'replayed'",
    "vault": "true",
    "deleted": "has_identity and exists (from deleted where deleted.kafka_partition = rows.kafka_partition "
    "and deleted.record_key = rows.record_key and rows.kafka_offset < deleted_at)",
}
_OF_LANDED = ("identified", "deleted")


def held_offsets(lake: Path, contract: Contract, rows: str) -> dict[int, np.ndarray]:
    """Offsets by partition, ascending int64, repeated where a row stands twice.

    `rows` is `landed`, `identified` (landed rows with an identity), `deleted` (those of them whose key was
    deleted later), `quarantine` (not replayed) or `vault`.
    """
    pinned = snapshot(lake, contract, "landed" if rows in _OF_LANDED else rows)
    if not pinned.files:
        return {}
    columns = duckdb.execute(
        f"""with landed as (from read_parquet($files, hive_partitioning = false))
        {f", deleted as ({DELETED_KEYS})" if rows == "deleted" else ""}
        select kafka_partition, kafka_offset from landed as rows
        where {_ROWS[rows]} order by kafka_partition, kafka_offset""",
        {"files": list(pinned.files)},
    ).fetchnumpy()
    partitions, offsets = np.asarray(columns["kafka_partition"]), np.asarray(columns["kafka_offset"])
    return {int(p): offsets[partitions == p] for p in np.unique(partitions)}
