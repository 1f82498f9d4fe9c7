"""The same table through three engines that know nothing of us: counts and sums must agree."""

import json
import subprocess
from pathlib import Path

import duckdb
import polars as pl
from deltalake import DeltaTable

from bench.ingest import spark
from bench.ingest.box import STREAM, Box
from datacentre.errors import CheckFailed
from lake.tables import table_folder

Figures = dict[str, int]
SUMS = ("kafka_offset", "kafka_partition", "age_years", "slot_minutes")


def measure(box: Box, home: Path) -> dict[str, Figures]:
    """Rows, sums and distinct events of `landed`, by engine. Raises CheckFailed when they differ."""
    table = table_folder(home / "lake", "landed", STREAM)
    found = {"polars": _polars(table), "duckdb": _duckdb(table), "spark": _spark(box, table)}
    if len({json.dumps(figures, sort_keys=True) for figures in found.values()}) > 1:
        raise CheckFailed(f"the engines read {STREAM} differently: {found}")
    return found


def _polars(table: Path) -> Figures:
    sums = [pl.col(name).sum() for name in SUMS]
    frame = pl.scan_delta(str(table)).select(
        pl.len().alias("rows"), *sums, pl.col("event_id").n_unique().alias("distinct_events")
    )
    return {name: int(value) for name, value in frame.collect().to_dicts()[0].items()}


def _duckdb(table: Path) -> Figures:
    sums = ", ".join(f"sum({name})::bigint as {name}" for name in SUMS)
    query = f"select count(*) as rows, {sums}, count(distinct event_id) as distinct_events from read_parquet(?)"
    with duckdb.connect() as connection:
        row = connection.execute(query, [DeltaTable(table).file_uris()]).fetchall()[0]
    return dict(zip(("rows", *SUMS, "distinct_events"), (int(v) for v in row), strict=True))


def _spark(box: Box, table: Path) -> Figures:
    done = subprocess.run(
        spark.command(box, {"read": str(table), "sums": list(SUMS)}),
        env=spark.environment(box.settings.home),
        cwd=box.settings.home,
        capture_output=True,
        text=True,
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not told:
        raise CheckFailed(f"Spark can't read {STREAM}: {done.stderr[-300:]}")
    return {name: int(value) for name, value in told[-1].items()}
