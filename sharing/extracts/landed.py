"""Landed rows of some offsets, read from the lake's files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.control.certificates import CertifiedRange
from lake.certified_rows import range_table
from lake.snapshot import files_with


@dataclass(frozen=True)
class LandedRows:
    """Reads one stream. Rows come by certificate (0: not certified), partition and offset."""

    lake: Path
    contract: Contract

    def read(self, ranges: Sequence[CertifiedRange], row_filter: str | None) -> pa.Table:
        """The landed columns and `certificate_id`, of the rows of `ranges` for which the filter is true, and of
        deletions."""
        pinned = files_with(
            self.lake, self.contract, "landed", [(r.partition, r.start_offset, r.next_offset) for r in ranges]
        )
        columns = landed_schema(self.contract)
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.register("wanted", range_table({self.contract.key: ranges}))
            connection.register("no_rows", columns.empty_table())
            names = ", ".join(f'landed."{name}"' for name in columns.names)
            found = connection.execute(
                f"""with landed as (
                    from no_rows
                    {
                    "union all by name from read_parquet($files, hive_partitioning = true, union_by_name = true,"
                    " hive_types = {'ingest_date': date})"
                    if pinned.files
                    else ""
                }
                ),
                placed as (
                    select {names}, wanted.certificate_id
                    from landed
                    join wanted on landed.kafka_partition = wanted.kafka_partition
                        and landed.kafka_offset >= wanted.start_offset and landed.kafka_offset < wanted.next_offset
                )
                from placed where is_deleted or ({row_filter or "true"})
                order by certificate_id, kafka_partition, kafka_offset""",
                {"files": list(pinned.files)} if pinned.files else {},
            )
            return found.to_arrow_table()
