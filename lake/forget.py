"""Make the vault forget the identity of records that were deleted by key."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable
from lake.snapshot import snapshot
from lake.tables import open_table

_OFFSETS_PER_COMMIT = 2_000
_ATTEMPTS = 5

DELETED_KEYS = """
    select kafka_partition, record_key, max(kafka_offset) as deleted_at
    from landed where is_deleted group by all
"""
"""Over a relation `landed`: the last deletion of each key; what lies below it in the partition is deleted."""


def forget_deleted(lake: Path, contract: Contract) -> int:
    """Delete the vault rows of deleted records; returns how many. Safe to repeat and beside running sinks.

    Rows are named by offset: a predicate stands in the table's log, so it may hold no identifier. A
    sink whose append meets this commit reads its batch again. The old files stay on disk until they
    are vacuumed. Raises SourceUnavailable when other writers kept winning.
    """
    table = open_table(lake, contract, "vault")
    if table is None or not contract.deletes_by_key:
        return 0
    rows = _rows_to_forget(lake, contract)
    for partition in sorted({p for p, _ in rows}):
        offsets = [offset for p, offset in rows if p == partition]
        for start in range(0, len(offsets), _OFFSETS_PER_COMMIT):
            _delete(table, partition, offsets[start : start + _OFFSETS_PER_COMMIT], contract.key)
    return len(rows)


def _rows_to_forget(lake: Path, contract: Contract) -> list[tuple[int, int]]:
    landed, vault = (snapshot(lake, contract, layer) for layer in ("landed", "vault"))
    if not landed.files or not vault.files:
        return []
    return duckdb.execute(
        f"""with landed as (from read_parquet($landed, hive_partitioning = false)),
        deleted as ({DELETED_KEYS})
        select v.kafka_partition, v.kafka_offset
        from read_parquet($vault, hive_partitioning = false) as v
        join deleted as d using (kafka_partition, record_key)
        where v.kafka_offset < d.deleted_at order by all""",
        {"landed": list(landed.files), "vault": list(vault.files)},
    ).fetchall()


def _delete(table: DeltaTable, partition: int, offsets: Sequence[int], key: str) -> None:
    predicate = f"kafka_partition = {partition} and kafka_offset in ({', '.join(map(str, offsets))})"
    for _ in range(_ATTEMPTS):
        table.update_incremental()
        try:
            table.delete(predicate)
            return
        except CommitFailedError:
            continue
    raise SourceUnavailable(f"{key}: other writers of the vault came first {_ATTEMPTS} times; run forget again")
