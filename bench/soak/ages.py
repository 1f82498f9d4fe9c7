"""Seconds from a record's arrival at the broker to the lake, and to the first published marts that show it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.control.certificates import CertifiedRange, certified_by_stream
from datacentre.control.store import opened
from datacentre.control.tables import stage_outcome
from datacentre.settings import Settings
from lake.snapshot import snapshot
from lake.tables import table_folder

_INSTANT = pa.timestamp("us", tz="UTC")
_AGES = """
with shown as (
  select epoch(landed.broker_time) as arrived,
    epoch(commits.at) - arrived as in_lake,
    (select epoch(min(builds.at)) from builds where builds.last >= ranges.certificate) - arrived as in_marts
  from read_parquet($files, hive_partitioning = false, union_by_name = true) as landed
  asof join commits on commits.partition = landed.kafka_partition and commits.next > landed.kafka_offset
  asof join ranges on ranges.partition = landed.kafka_partition and ranges.start <= landed.kafka_offset
)
from shown where arrived >= $since and arrived < $until"""


@dataclass(frozen=True)
class Ages:
    """Of one stream's rows, in seconds."""

    stream: str
    rows: int
    lake_p50: float
    lake_p95: float
    marts_p50: float
    marts_p95: float


def measure(settings: Settings, contracts: Mapping[str, Contract], since: float, until: float) -> list[Ages]:
    """By stream and over `all`, of rows that arrived in `[since, until)`, epoch seconds."""
    with opened(settings.control_url) as control:
        certified = certified_by_stream(control, contracts)
        builds = _builds(control)
    with duckdb.connect() as connection:
        connection.register("builds", builds)
        connection.execute("create table ages (stream text, arrived double, in_lake double, in_marts double)")
        for key, contract in contracts.items():
            files = snapshot(settings.lake, contract, "landed").files
            if not files or not certified[key]:
                continue
            connection.register("ranges", _ranges(certified[key]))
            connection.register("commits", _commits(table_folder(settings.lake, "landed", key)))
            connection.execute(
                f"insert into ages select '{key}', * from ({_AGES})",
                {"files": list(files), "since": since, "until": until},
            )
        figures = """count(*), quantile_cont(in_lake, 0.5), quantile_cont(in_lake, 0.95), quantile_cont(in_marts, 0.5),
            quantile_cont(in_marts, 0.95)"""
        found = connection.execute(
            f"select stream, {figures} from ages group by stream union all select 'all', {figures} from ages order by 1"
        ).fetchall()
    return [Ages(*row) for row in found if row[1]]


def _builds(control: sa.Engine) -> pa.Table:
    """Highest certificate and end of every build."""
    c = stage_outcome.c
    with control.connect() as connection:
        rows = connection.execute(sa.select(c.detail, c.ended_at).where(c.stage == "build").order_by(c.id)).fetchall()
    return pa.table(
        {
            "last": pa.array([row.detail["last_certificate"] for row in rows], pa.int64()),
            "at": pa.array([row.ended_at for row in rows], _INSTANT),
        }
    )


def _ranges(certified: Sequence[CertifiedRange]) -> pa.Table:
    return pa.table(
        {
            "certificate": pa.array([r.certificate_id for r in certified], pa.int64()),
            "partition": pa.array([r.partition for r in certified], pa.int32()),
            "start": pa.array([r.start_offset for r in certified], pa.int64()),
        }
    )


def _commits(table: Path) -> pa.Table:
    """By partition, the next offset of every commit and when it was made."""
    partitions, nexts, times = [], [], []
    for entry in sorted((table / "_delta_log").glob("*.json")):
        at = datetime.fromtimestamp(entry.stat().st_mtime, UTC)
        for line in entry.read_text().splitlines():
            if (txn := json.loads(line).get("txn")) is not None:
                partitions.append(int(txn["appId"].rpartition("/")[2]))
                nexts.append(int(txn["version"]))
                times.append(at)
    return pa.table(
        {
            "partition": pa.array(partitions, pa.int32()),
            "next": pa.array(nexts, pa.int64()),
            "at": pa.array(times, _INSTANT),
        }
    )
