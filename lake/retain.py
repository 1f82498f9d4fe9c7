"""Let go of rows that their contract keeps no longer.

Their age counts from the day on which the centre received them, which is the tables' partition: whole files go, and no
value stands in the log.
"""

import time
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import RemoveAction

from datacentre.contracts import Contract
from lake.next_commit import Actions, commit_once
from lake.tables import PARTITION, open_table

# Vault first: a retention that is cut short leaves no identity behind.
_ORDER = ("vault", "quarantine", "landed")


def oldest_kept(contract: Contract, today: date) -> date:
    """The first ingest date whose rows are kept."""
    return today - timedelta(days=contract.lake_retention_days)


def let_go(lake: Path, contract: Contract, today: date) -> dict[str, int]:
    """Remove older rows from all tables, one commit each; returns how many by layer, those without any left out.

    Positions stay. Files stay on disk, for readers, until they are vacuumed. Safe beside running sinks and to repeat.
    Raises SourceUnavailable when other writers kept coming first.
    """
    limit = oldest_kept(contract, today)
    counts = {layer: _let_go(lake, contract, layer, limit) for layer in _ORDER}
    return {layer: count for layer, count in counts.items() if count}


def _let_go(lake: Path, contract: Contract, layer: str, limit: date) -> int:
    table = open_table(lake, contract, layer)
    if table is None:
        return 0
    removed = 0

    def prepare() -> Actions:
        nonlocal removed
        files = pa.table(table.get_add_actions(flatten=True))
        old = files.filter(pc.less(files[f"partition.{PARTITION}"], limit)) if files.num_rows else files
        removed = pc.sum(old["num_records"]).as_py() or 0 if old.num_rows else 0
        now_ms = time.time_ns() // 1_000_000
        return [RemoveAction(path, True, now_ms) for path in old["path"].to_pylist()] if old.num_rows else []

    commit_once(table, prepare, f"retention/{limit}", {"retention": f"before {limit}"})
    return removed
