"""One append to one table, tied to the offsets it covers."""

import json
from collections.abc import Mapping

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake

from datacentre import names
from lake.tables import bound_topic

_WRITER = WriterProperties(compression="ZSTD")


def append(table: DeltaTable, rows: pa.Table, ranges: Mapping[int, tuple[int, int]], rules_hash: str) -> None:
    """Append `rows` and record, per partition, the range `(start, next)` that they stand for.

    `rules_hash` tells by which rules the rows were placed.

    The write goes through `table` itself, which remembers the version it has read: a writer that
    committed the same partition in between is then noticed and this commit is refused with
    deltalake's CommitFailedError. A write by path would be accepted and duplicate rows.
    """
    cluster_id, topic_id = bound_topic(table).split("/")
    properties = CommitProperties(
        app_transactions=[
            Transaction(names.transaction_app(cluster_id, topic_id, partition), following)
            for partition, (_, following) in sorted(ranges.items())
        ],
        custom_metadata={
            "rules_hash": rules_hash,
            "offsets": json.dumps({str(p): list(r) for p, r in sorted(ranges.items())}),
        },
    )
    write_deltalake(table, rows, mode="append", writer_properties=_WRITER, commit_properties=properties)


def recorded_hashes(table: DeltaTable, partition: int, start: int) -> set[str]:
    """Hashes of the rules behind the commits that hold offsets of `partition` at or above `start`."""
    hashes = set()
    for entry in table.history():
        offsets = json.loads(entry.get("offsets", "{}")).get(str(partition))
        if offsets and offsets[1] > start:
            hashes.add(entry["rules_hash"])
    return hashes
