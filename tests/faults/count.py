"""What a lake has lost or holds twice after a fault, counted twice over: by `verify` and straight from the files."""

from dataclasses import dataclass

import duckdb

from datacentre.stages.verify import verify
from lake.snapshot import snapshot
from tests.faults.fleet import Fleet

_TABLES = ("landed", "quarantine", "vault")


@dataclass(frozen=True)
class Count:
    """Records in the topics, how many of them the lake lacks, rows it holds more than once, and what verify says."""

    records: int
    lost: int
    duplicated: int
    differences: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.differences)


def count(fleet: Fleet) -> Count:
    reports = verify(fleet.settings, list(fleet.contracts))
    lost = sum(max(0, r.topic - r.landed - r.quarantined) for r in reports)
    duplicated = sum(_repeated_rows(fleet, key) for key in fleet.contracts)
    differences = tuple(f"{r.stream} {r.partition}: {d}" for r in reports for d in r.differences)
    return Count(sum(r.topic for r in reports), lost, duplicated, differences)


def _repeated_rows(fleet: Fleet, key: str) -> int:
    """Rows beyond the first of a (partition, offset), by table; a row both landed and quarantined counts too."""
    files = {t: list(snapshot(fleet.settings.lake, fleet.contracts[key], t).files) for t in _TABLES}
    kept = files["landed"] + files["quarantine"]
    return sum(_repeated(group) for group in (kept, files["vault"]) if group)


def _repeated(files: list[str]) -> int:
    (found,) = duckdb.execute(
        """select coalesce(sum(n - 1), 0)::bigint from (
            select count(*) as n
            from read_parquet($files, hive_partitioning = false, union_by_name = true)
            group by kafka_partition, kafka_offset
        )""",
        {"files": files},
    ).fetchall()
    return int(found[0])
