"""A copy of the landed rows that are certified, as DuckDB tables: what a build reads.

Each build adds the rows of new certificates and takes away those of certificates that no longer hold, so it reads the
lake's many small files once, not once per model. The copy can always be made anew from the lake.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.control.certificates import CertifiedRange
from lake.snapshot import files_with

CATALOG = "certified"
_RANGES = pa.schema(
    [
        ("stream", pa.string()),
        ("certificate_id", pa.int64()),
        ("kafka_partition", pa.int32()),
        ("start_offset", pa.int64()),
        ("next_offset", pa.int64()),
    ]
)


def certified_file(marts: Path) -> Path:
    return marts / "certified.duckdb"


def follow_certificates(
    file: Path, lake: Path, contracts: Mapping[str, Contract], certified: Mapping[str, Sequence[CertifiedRange]]
) -> None:
    """Bring the copy to these certificates, one table per stream: its landed columns and `certificate_id`.

    A stream whose columns have changed is copied whole. What is cut short is done by the next call.
    """
    with duckdb.connect(str(file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            """create table if not exists copied_range (stream text, certificate_id bigint, kafka_partition integer,
                start_offset bigint, next_offset bigint)"""
        )
        for key, contract in contracts.items():
            connection.execute("begin")
            _follow(connection, lake, contract, set(certified[key]))
            connection.execute("commit")


def _follow(
    connection: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, certified: set[CertifiedRange]
) -> None:
    _fit_table(connection, contract)
    copied = _copied(connection, contract.key)
    if gone := [r.certificate_id for r in copied - certified]:
        given = {"stream": contract.key, "gone": gone}
        connection.execute(f"delete from {contract.key} where certificate_id in (select unnest($gone))", {"gone": gone})
        connection.execute(
            "delete from copied_range where stream = $stream and certificate_id in (select unnest($gone))", given
        )
    if new := sorted(certified - copied, key=lambda r: r.certificate_id):
        _copy(connection, lake, contract, new)


def _fit_table(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Begin anew where the table is missing or has other columns than the contract."""
    columns = landed_schema(contract).append(pa.field("certificate_id", pa.int64()))
    connection.register("wanted", columns.empty_table())
    known = connection.execute(
        "select column_name, data_type from duckdb_columns() where table_name = $1 order by column_index",
        [contract.key],
    ).fetchall()
    if known != connection.execute("select column_name, column_type from (describe from wanted)").fetchall():
        connection.execute(f"drop table if exists {contract.key}")
        connection.execute(f"create table {contract.key} as from wanted")
        connection.execute("delete from copied_range where stream = $1", [contract.key])


def _copied(connection: duckdb.DuckDBPyConnection, stream: str) -> set[CertifiedRange]:
    rows = connection.execute("select * exclude (stream) from copied_range where stream = $1", [stream]).fetchall()
    return {CertifiedRange(*row) for row in rows}


def _copy(connection: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, new: Sequence[CertifiedRange]) -> None:
    ranges, no_rows = range_table({contract.key: new}), landed_schema(contract).empty_table()
    pinned = files_with(lake, contract, "landed", [(r.partition, r.start_offset, r.next_offset) for r in new])
    if pinned.files:
        columns = ", ".join(f'landed."{name}"' for name in landed_schema(contract).names)
        connection.execute(
            f"""insert into {contract.key}
            with landed as (
                from no_rows union all by name from read_parquet(
                    $files, hive_partitioning = true, union_by_name = true, hive_types = {{'ingest_date': date}}
                )
            )
            select {columns}, ranges.certificate_id
            from landed
            join ranges on landed.kafka_partition = ranges.kafka_partition
                and landed.kafka_offset >= ranges.start_offset and landed.kafka_offset < ranges.next_offset
            order by ranges.certificate_id, landed.kafka_partition, landed.kafka_offset""",
            {"files": list(pinned.files)},
        )
    connection.execute("insert into copied_range from ranges")
    del ranges, no_rows


def range_table(certified: Mapping[str, Sequence[CertifiedRange]]) -> pa.Table:
    """One row per range of each stream."""
    rows = [
        (key, r.certificate_id, r.partition, r.start_offset, r.next_offset)
        for key, ranges in certified.items()
        for r in ranges
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_RANGES)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, _RANGES, strict=True)], schema=_RANGES)
