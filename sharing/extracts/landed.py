"""Landed rows of some offsets, read from the lake's files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.control.certificates import CertifiedRange
from lake.certified_rows import range_table
from lake.snapshot import files_with, snapshot

_FILES = """(from no_rows union all by name from read_parquet($files, hive_partitioning = true,
    union_by_name = true, hive_types = {'ingest_date': date}))"""
_NO_FILES = "(from no_rows)"


@dataclass(frozen=True)
class LandedRows:
    """Reads one stream. Rows come by certificate (0: not certified), partition and offset."""

    lake: Path
    contract: Contract

    def read(self, ranges: Sequence[CertifiedRange], row_filter: str | None) -> pa.Table:
        """The landed columns and `certificate_id`, of the rows of `ranges` for which the filter is true, and of
        deletions of keys that had such a row."""
        wanted = [(r.partition, r.start_offset, r.next_offset) for r in ranges]
        files = files_with(self.lake, self.contract, "landed", wanted).files if ranges else ()
        names = ", ".join(f'landed."{name}"' for name in landed_schema(self.contract).names)
        with self._connected() as connection:
            connection.register("wanted", range_table({self.contract.key: ranges}))
            found = connection.sql(
                f"""with placed as (
                    select {names}, wanted.certificate_id
                    from {_FILES if files else _NO_FILES} as landed
                    join wanted on landed.kafka_partition = wanted.kafka_partition
                        and landed.kafka_offset >= wanted.start_offset and landed.kafka_offset < wanted.next_offset
                )
                from placed where is_deleted or ({row_filter or "true"})
                order by certificate_id, kafka_partition, kafka_offset""",
                params={"files": list(files)} if files else {},
            )
            rows = found.to_arrow_table()
        return rows if row_filter is None else self._without_others_deletions(rows, row_filter)

    def _without_others_deletions(self, rows: pa.Table, row_filter: str) -> pa.Table:
        """A key that was never shown stays unknown, also when it is deleted. Reads the whole stream, for deletions
        only."""
        deleted = rows.filter(rows["is_deleted"])["record_key"].unique()
        if not len(deleted):
            return rows
        with self._connected() as connection:
            shown = connection.execute(
                f"""select distinct record_key from {_FILES} as landed
                where record_key in (select unnest($keys)) and not is_deleted and ({row_filter})""",
                {"files": list(snapshot(self.lake, self.contract, "landed").files), "keys": deleted.to_pylist()},
            ).fetchall()
        known = pa.array([key for (key,) in shown], pa.string())
        return rows.filter(pc.or_(pc.invert(rows["is_deleted"]), pc.is_in(rows["record_key"], known)))

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.register("no_rows", landed_schema(self.contract).empty_table())
            yield connection
