"""One append to one table, tied to the offsets it covers."""

import json
import time
import uuid
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from datacentre.crash_points import inside, reach
from lake.commit_log import CommitLog
from lake.tables import PARTITION, STATISTICS

_LOOKED_AT = 1_000


def append(
    log: CommitLog, rows: pa.Table, ranges: Mapping[int, tuple[int, int]], rules_hash: str, note: str = ""
) -> None:
    """Append `rows` and record, per partition, the range `(start, next)` that they stand for.

    `rules_hash` tells by which rules the rows were placed, `note` what else the log should tell. Raises Overtaken
    when another writer has committed one of the partitions since `log` has last followed the others.
    """
    info = {
        "rules_hash": rules_hash,
        "offsets": json.dumps({str(p): list(r) for p, r in sorted(ranges.items())}),
        **({"note": note} if note else {}),
    }
    layer = log.folder.parent.name
    reach(f"before_{layer}_upload")
    files = write_files(log.folder, rows)
    reach(f"before_{layer}_commit")
    with inside(f"{layer}_commit"):
        log.append(files, {p: following for p, (_, following) in ranges.items()}, info)
    reach(f"after_{layer}_commit")


def write_files(folder: Path, rows: pa.Table) -> list[AddAction]:
    """One Parquet file per ingest date. A file that no commit names is nobody's, and goes with the next vacuum."""
    days = pc.unique(rows[PARTITION]).to_pylist()
    return [
        write_file(folder, day, rows if len(days) == 1 else rows.filter(pc.equal(rows[PARTITION], day))) for day in days
    ]


def write_file(folder: Path, day: date, rows: pa.Table) -> AddAction:
    """Statistics hold partition and offset only: those of other columns would put values into the log.

    Written with Arrow, at half the cost of deltalake's own writer.
    """
    path = f"{PARTITION}={day}/{uuid.uuid4()}.zstd.parquet"
    file = folder / path
    file.parent.mkdir(exist_ok=True)
    kept = rows.drop_columns([PARTITION])
    with inside("upload"):
        pq.write_table(
            kept,
            file,
            compression="zstd",
            compression_level=1,
            use_dictionary=_repeating(kept),
            write_statistics=STATISTICS,
        )
    ends = {name: pc.min_max(rows[name]).as_py() for name in STATISTICS}
    statistics = {
        "numRecords": rows.num_rows,
        "minValues": {name: e["min"] for name, e in ends.items()},
        "maxValues": {name: e["max"] for name, e in ends.items()},
        "nullCount": dict.fromkeys(STATISTICS, 0),
    }
    modified_ms = time.time_ns() // 1_000_000
    return AddAction(path, file.stat().st_size, {PARTITION: str(day)}, modified_ms, True, json.dumps(statistics))


def _repeating(rows: pa.Table) -> list[str]:
    """Columns that a dictionary makes smaller, by a look at the first rows; for the others it only costs."""
    head = rows.slice(0, _LOOKED_AT)
    flat = [name for name in head.column_names if not pa.types.is_nested(head.schema.field(name).type)]
    return [name for name in flat if len(pc.unique(head[name])) <= head.num_rows // 2]


def recorded_hashes(folder: Path, partition: int, start: int) -> set[str]:
    """Hashes of the rules behind the table's commits that hold offsets of `partition` at or above `start`."""
    hashes = set()
    for entry in DeltaTable(folder).history():
        offsets = json.loads(entry.get("offsets", "{}")).get(str(partition))
        if offsets and offsets[1] > start:
            hashes.add(entry["rules_hash"])
    return hashes
