"""Measure how old the rows are that a build has shown for the first time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import duckdb

from datacentre.contracts import Contract
from datacentre.control.certificates import CertifiedRange
from datacentre.control.freshness import Freshness
from datacentre.settings import Settings
from lake.snapshot import files_with


def measure(
    settings: Settings,
    contracts: Mapping[str, Contract],
    certified: Mapping[str, Sequence[CertifiedRange]],
    above: int,
    version: str,
    published_at: datetime,
) -> Iterator[Freshness]:
    """One for each stream that has rows under certificates with a number higher than `above`."""
    for key, contract in contracts.items():
        new = [r for r in certified[key] if r.certificate_id > above]
        ranges = [(r.partition, r.start_offset, r.next_offset) for r in new]
        files = files_with(settings.lake, contract, "landed", ranges).files if ranges else ()
        if files and (found := _ages(files, ranges, published_at))[0]:
            yield Freshness(key, version, published_at, *found)


def _ages(
    files: Sequence[str], ranges: Sequence[tuple[int, int, int]], until: datetime
) -> tuple[int, float, float, float | None, float | None]:
    columns = {name: [r[n] for r in ranges] for n, name in enumerate(("partitions", "starts", "ends"))}
    found = duckdb.execute(
        """with ranges as (
            select unnest($partitions::integer[]) as kafka_partition, unnest($starts::bigint[]) as start_offset,
                unnest($ends::bigint[]) as next_offset
        )
        select count(*), quantile_cont(epoch($until - broker_time), [0.5, 0.95]),
            quantile_cont(epoch($until - event_time), [0.5, 0.95])
        from read_parquet($files, hive_partitioning = false, union_by_name = true) as landed
        join ranges using (kafka_partition)
        where kafka_offset >= start_offset and kafka_offset < next_offset""",
        {**columns, "until": until, "files": list(files)},
    ).fetchall()
    count, produced, event = found[0]
    return count, *(produced or (0.0, 0.0)), *(event or (None, None))
