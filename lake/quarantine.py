"""What is in quarantine: the records as they came, and why they are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from datacentre.contracts import Contract
from lake.snapshot import snapshot

_SHOWN_BYTES = 400


@dataclass(frozen=True)
class RejectedRecord:
    """One open record; `value` is cut to 400 bytes for display, the table keeps it whole."""

    stream: str
    partition: int
    offset: int
    broker_time: datetime
    broken_rules: tuple[str, ...]
    value: bytes | None


def count_by_rule(lake: Path, contract: Contract) -> list[tuple[str, int]]:
    """Open records per broken rule, most first; a record that broke two counts in both."""
    return [
        (str(rule), int(count))
        for rule, count in _open(
            lake,
            contract,
            "select unnest(broken_rules) as rule, count(*) from open group by 1 order by 2 desc, 1",
        )
    ]


def rejected_records(lake: Path, contract: Contract, rule: str | None, limit: int) -> list[RejectedRecord]:
    """The newest open records, of one rule when it is given."""
    rows = _open(
        lake,
        contract,
        f"""select kafka_partition, kafka_offset, broker_time, broken_rules, value[1:{_SHOWN_BYTES}] from open
        where $rule is null or list_contains(broken_rules, $rule)
        order by broker_time desc, kafka_partition, kafka_offset desc limit {int(limit)}""",
        rule,
    )
    return [RejectedRecord(contract.key, p, o, t, tuple(r), v) for p, o, t, r, v in rows]


def _open(lake: Path, contract: Contract, sql: str, rule: str | None = None) -> Sequence[tuple]:  # type: ignore[type-arg]
    pinned = snapshot(lake, contract, "quarantine")
    if not pinned.files:
        return []
    parameters: dict[str, object] = {"files": list(pinned.files)}
    if "$rule" in sql:
        parameters["rule"] = rule
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        source = "from read_parquet($files, hive_partitioning = false) where status = 'open'"
        return connection.execute(f"with open as ({source}) {sql}", parameters).fetchall()
