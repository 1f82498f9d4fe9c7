"""Rows of an offset range against what they should be: what differs is replaced, in one commit per table."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from datacentre.contracts import Contract
from lake.commit import write_files
from lake.next_commit import Actions, commit_once
from lake.rewrite import Offsets, is_at, read_file, rewritten
from lake.snapshot import files_with
from lake.tables import PARTITION, open_table, table_path

_BACKFILL = "backfill"
Range = tuple[int, int, int]
"""Partition, first offset, next offset."""


def rows_within(lake: Path, contract: Contract, layer: str, schema: pa.Schema, place: Range) -> pa.Table:
    """The table's rows in the range, with all columns of `schema`."""
    partition, start, following = place
    pinned = files_with(lake, contract, layer, [place])
    parts = [read_file(Path(file), _day(file), schema) for file in pinned.files]
    rows = pa.concat_tables([schema.empty_table(), *parts])
    at = pc.equal(rows["kafka_partition"], partition)
    for beyond in (pc.greater_equal(rows["kafka_offset"], start), pc.less(rows["kafka_offset"], following)):
        at = pc.and_(at, beyond)
    return rows.filter(at)


def _day(file: str) -> str:
    return Path(file).parent.name.removeprefix(f"{PARTITION}=")


def differing(held: pa.Table, wanted: pa.Table, ignored: tuple[str, ...] = ()) -> np.ndarray:
    """Offsets, ascending, at which only one of the two has a row, or both have different ones but for the columns
    `ignored`; both are of one partition."""
    with duckdb.connect() as connection:
        connection.register("held", held.drop_columns(list(ignored)))
        connection.register("wanted", wanted.drop_columns(list(ignored)))
        found = connection.execute(
            """select kafka_offset from (from held except from wanted)
            union select kafka_offset from (from wanted except from held) order by all"""
        ).fetchnumpy()
    return np.asarray(found["kafka_offset"], dtype=np.int64)


def replace_rows(table: DeltaTable, offsets: Offsets, wanted: pa.Table) -> int:
    """Put the rows of `wanted` that stand at the offsets in the place of the table's; returns the version with them.

    `wanted` has all columns of the table. Transactions of topic-partitions stay as they are; the commit names the
    offsets. Raises SourceUnavailable when other writers kept coming first.
    """
    new = wanted.filter(is_at(wanted, offsets))

    def prepare() -> Actions:
        kept = rewritten(table, wanted.schema, offsets, lambda rows, at: rows.filter(pc.invert(at)))
        return [*kept, *write_files(table_path(table), new)]

    return commit_once(table, prepare, f"{_BACKFILL}/{uuid4().hex}", {_BACKFILL: json.dumps(around(offsets))})


def around(offsets: Offsets) -> list[Range]:
    """One range per partition from the first to the last: what a backfill has checked again as a whole."""
    return [(p, int(of_partition[0]), int(of_partition[-1]) + 1) for p, of_partition in sorted(offsets.items())]


def replaced_since(lake: Path, contract: Contract, version: int) -> Iterator[tuple[int, list[Range]]]:
    """Of each backfill that changed landed above this version: its version, and the ranges around what it changed."""
    table = open_table(lake, contract, "landed")
    commits = 0 if table is None else table.version() - version
    for entry in table.history(commits) if table is not None and commits > 0 else ():
        if (told := entry.get(_BACKFILL)) is not None:
            yield entry["version"], [(p, start, following) for p, start, following in json.loads(told)]
