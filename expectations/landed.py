"""The landed rows of offset ranges, fetched for the gate in pieces that fit in memory."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, zip_longest
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from datacentre.contracts import Contract
from datacentre.control.ranges import OffsetRange
from expectations.increment import increment_query
from expectations.observation import observation_query
from lake.snapshot import Snapshot, files_with

MAX_ROWS = 500_000
_NULLABLE = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}


@dataclass(frozen=True)
class Increment:
    """Offset ranges that are judged together, and the pinned files that hold their rows."""

    contract: Contract
    ranges: tuple[OffsetRange, ...]
    pinned: Snapshot


def increments(
    lake: Path, contract: Contract, ranges: Sequence[OffsetRange], max_rows: int = MAX_ROWS
) -> Iterator[Increment]:
    """Cut the ranges into increments of about `max_rows` rows; together they cover them exactly."""
    pinned = files_with(lake, contract, "landed", [(r.partition, r.start, r.next) for r in ranges])
    whole = Increment(contract, tuple(ranges), pinned)
    if not pinned.files or sum(r.next - r.start for r in ranges) <= max_rows:
        yield whole
        return
    # Offsets have gaps, so the cuts go by rows: the n-th pieces of all ranges make the n-th increment.
    pieces = [_cut(r, _cuts(whole, r, max(1, max_rows // len(ranges)))) for r in ranges]
    for together in zip_longest(*pieces):
        yield Increment(contract, tuple(r for r in together if r is not None), pinned)


@dataclass(frozen=True)
class Rows:
    """An increment's rows as the suite wants them (`increment_query`) and as batch rules do (`observation_query`)."""

    frame: pd.DataFrame
    observed: pa.Table


def fetch(increment: Increment, extra_columns: Mapping[str, str]) -> Rows | None:
    """The increment's rows; None when no file can hold any."""
    if not increment.pinned.files:
        return None
    with _landed(increment, increment.ranges) as (connection, query, files):
        landed = connection.sql(query, params=files).to_arrow_table()
        frame = as_frame(connection.sql(increment_query(increment.contract, extra_columns)).to_arrow_table())
        observed = connection.sql(observation_query(increment.contract)).to_arrow_table()
    del landed  # DuckDB has found it by its name
    return Rows(frame, observed)


def as_frame(rows: pa.Table) -> pd.DataFrame:
    """Arrow columns as pandas columns in which an absent integer or boolean doesn't become a float."""
    frame: pd.DataFrame = rows.to_pandas(types_mapper=_NULLABLE.get, date_as_object=False)
    return frame


def _cuts(increment: Increment, piece: OffsetRange, rows: int) -> list[int]:
    """Offsets at which a new piece of `rows` rows begins, the first one left out."""
    with _landed(increment, (piece,)) as (connection, landed, files):
        found = connection.execute(
            f"""select kafka_offset from ({landed})
            qualify row_number() over (order by kafka_offset) % {rows} = 1 % {rows} order by kafka_offset""",
            files,
        ).fetchall()
    return [offset for (offset,) in found[1:]]


def _cut(whole: OffsetRange, cuts: Sequence[int]) -> list[OffsetRange]:
    edges = [whole.start, *cuts, whole.next]
    return [OffsetRange(whole.partition, start, following) for start, following in pairwise(edges)]


@contextmanager
def _landed(
    increment: Increment, ranges: Sequence[OffsetRange]
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, dict[str, list[str]]]]:
    """A connection, the query that gives the landed rows of these ranges, and its parameters."""
    inside = " or ".join(
        f"(kafka_partition = {r.partition} and kafka_offset >= {r.start} and kafka_offset < {r.next})" for r in ranges
    )
    with _database(os.getpid()).cursor() as connection:
        connection.execute("set TimeZone = 'UTC'")
        rows = f"select * from read_parquet($files, hive_partitioning = false, union_by_name = true) where {inside}"
        yield connection, rows, {"files": list(increment.pinned.files)}


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    """A database in memory; making one takes longer than a small increment. A fork makes its own."""
    return duckdb.connect()
