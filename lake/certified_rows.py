"""A copy of the landed rows that are certified, as DuckDB tables: what a build reads.

Each build adds the rows of new certificates and takes away those of certificates that no longer hold, and those that
their contract keeps no longer. So it reads the lake's many small files once, not once per model. The copy can always
be made anew from the lake.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.control.certificates import CertifiedRange
from lake.asked_rows import TABLES as ASKED_TABLES
from lake.retain import oldest_kept
from lake.snapshot import files_with

CATALOG = "certified"
_KEYS = ("record_key", "is_deleted", "source", "event_id", "corrects_event_id")
_LEAVING = "certificate_id in (select unnest($gone::bigint[])) or ingest_date < $kept_from"
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
        connection.execute("create table if not exists lost_row (stream text, rows bigint)")
        connection.execute(ASKED_TABLES)
        connection.register("certified_range", range_table(certified))
        for contract in contracts.values():
            connection.execute("begin")
            _follow(connection, lake, contract)
            connection.execute("commit")


def _follow(connection: duckdb.DuckDBPyConnection, lake: Path, contract: Contract) -> None:
    _fit_table(connection, contract)
    _fold(connection, contract.key)
    gone = {r.certificate_id for r in _ranges(connection, contract.key, "copied_range", "certified_range")}
    kept_from = oldest_kept(contract, datetime.now(UTC).date())
    is_leaving = gone or _has_older(connection, contract.key, kept_from)
    with _noting_lost(connection, contract, gone, kept_from) if is_leaving else nullcontext():
        # A certificate that was cut keeps its number: what is left of it is copied again.
        if new := _ranges(connection, contract.key, "certified_range", "copied_range"):
            _copy(connection, lake, contract, new, kept_from)


def _fold(connection: duckdb.DuckDBPyConnection, stream: str) -> None:
    """Give the rows of certificates that were folded into one of them that one's number, in place.

    Only where the copy has the whole of it, and its number too: what was checked anew has a number that the copy lacks,
    and may have other rows.
    """
    parts = folded_parts("certified_range", "copied_range")
    connection.execute(f"create or replace temp table folded as from ({parts}) where stream = $1", [stream])
    if connection.execute("select 1 from folded limit 1").fetchall():
        connection.execute(
            f"""update {stream} set certificate_id = folded.whole_id from folded
            where {stream}.certificate_id = folded.certificate_id and folded.certificate_id <> folded.whole_id
                and {stream}.kafka_partition = folded.kafka_partition
                and {stream}.kafka_offset >= folded.start_offset and {stream}.kafka_offset < folded.next_offset"""
        )
        connection.execute(
            "delete from copied_range where row(stream, certificate_id, kafka_partition, start_offset, next_offset) in "
            "(select row(stream, certificate_id, kafka_partition, start_offset, next_offset) from folded)"
        )
        connection.execute(
            "insert into copied_range select distinct stream, whole_id, kafka_partition, whole_start, whole_next "
            "from folded"
        )


def folded_parts(now: str, before: str) -> str:
    """SQL: the ranges of `before` that were folded into one of `now`, each with `whole_id`, `whole_start`,
    `whole_next`. Both have the columns of `copied_range`."""
    return f"""
        select part.*, whole.certificate_id as whole_id, whole.start_offset as whole_start,
            whole.next_offset as whole_next
        from (from {now} except from {before}) as whole
        join {before} as part
            on part.stream = whole.stream and part.kafka_partition = whole.kafka_partition
            and part.start_offset >= whole.start_offset and part.next_offset <= whole.next_offset
        window run as (
            partition by whole.stream, whole.certificate_id, whole.kafka_partition, whole.start_offset
        )
        qualify sum(part.next_offset - part.start_offset) over run = whole.next_offset - whole.start_offset
            and max(part.certificate_id) over run = whole.certificate_id"""


def _has_older(connection: duckdb.DuckDBPyConnection, stream: str, kept_from: date) -> bool:
    return bool(connection.execute(f"select 1 from {stream} where ingest_date < $1 limit 1", [kept_from]).fetchall())


@contextmanager
def _noting_lost(
    connection: duckdb.DuckDBPyConnection, contract: Contract, gone: Collection[int], kept_from: date
) -> Iterator[None]:
    """Remove what leaves the copy; once the block has ended, count in `lost_row` what of it hasn't come back under the
    same keys."""
    stream, given = contract.key, {"gone": sorted(gone), "kept_from": kept_from}
    keys = ", ".join(
        ["kafka_partition", "kafka_offset", *_KEYS, *(str(f.pseudonym_column) for f in contract.pseudonymised)]
    )
    connection.execute(f"create or replace temp table leaving as select {keys} from {stream} where {_LEAVING}", given)
    connection.execute(f"delete from {stream} where {_LEAVING}", given)
    connection.execute(
        "delete from copied_range where stream = $stream and certificate_id in (select unnest($gone::bigint[]))",
        {"stream": stream, "gone": sorted(gone)},
    )
    yield
    connection.execute(
        f"""insert into lost_row select $stream, count(*) from (from leaving except select {keys} from {stream})
        having count(*) > 0""",
        {"stream": stream},
    )


def has_lost_rows(file: Path) -> bool:
    """Whether rows have left the copy that no new certificate tells of, since `forget_lost_rows`.

    A model that follows certificates would keep what it made of them; it has to be built from the start.
    """
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute("select count(*) from lost_row").fetchall() != [(0,)]


def forget_lost_rows(file: Path) -> None:
    """Once everything was built from the start."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("delete from lost_row")


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


def _ranges(connection: duckdb.DuckDBPyConnection, stream: str, among: str, without: str) -> tuple[CertifiedRange, ...]:
    """What one table of ranges holds and another lacks, by certificate; there are too many to compare them here."""
    given = {"stream": stream}
    rows = connection.execute(
        f"""select certificate_id, kafka_partition, start_offset, next_offset from {among} where stream = $stream
        except select certificate_id, kafka_partition, start_offset, next_offset from {without} where stream = $stream
        order by all""",
        given,
    ).fetchall()
    return tuple(CertifiedRange(*row) for row in rows)


def _copy(
    connection: duckdb.DuckDBPyConnection,
    lake: Path,
    contract: Contract,
    new: Sequence[CertifiedRange],
    kept_from: date,
) -> None:
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
            where landed.ingest_date >= $kept_from
            order by ranges.certificate_id, landed.kafka_partition, landed.kafka_offset""",
            {"files": list(pinned.files), "kept_from": kept_from},
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
