"""Where a person stands in what was shared: rows of a release's file, offsets of a stream."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datacentre.contracts import Contract
from lake.snapshot import snapshot


@dataclass(frozen=True)
class Offsets:
    """Of one stream: the offsets by partition whose records name the person."""

    by_partition: dict[int, list[int]]

    def any_in(self, partition: int, start: int, following: int) -> bool:
        return any(start <= offset < following for offset in self.by_partition.get(partition, ()))


def offsets_of(lake: Path, contract: Contract, person_key: str, row_filter: str | None) -> Offsets:
    """Searches every pseudonym column of what has landed, also lists, among the rows that the filter gives."""
    pinned = snapshot(lake, contract, "landed")
    columns = [(f.pseudonym_column, f.type == "array") for f in contract.pseudonymised]
    found: dict[int, list[int]] = {}
    if pinned.files and columns:
        named = " or ".join(f"list_contains({n}, $key)" if is_list else f"{n} = $key" for n, is_list in columns)
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"""select kafka_partition, kafka_offset
                from read_parquet($files, hive_partitioning = true, union_by_name = true)
                where ({named}) and ({row_filter or "true"})""",
                {"files": list(pinned.files), "key": person_key},
            ).fetchall()
        for partition, offset in rows:
            found.setdefault(partition, []).append(offset)
    return Offsets(found)


def rows_of(file: Path, token: str) -> list[int]:
    """The numbers of the rows of a file that hold a token in any column of text or of lists of text."""
    parquet = pq.ParquetFile(file)
    wanted = [f.name for f in parquet.schema_arrow if _is_text(f.type)]
    found: list[int] = []
    first = 0
    for batch in parquet.iter_batches(columns=wanted):
        hits = {row for column in batch.columns for row in _hits(column, token)}
        found += sorted(first + row for row in hits)
        first += batch.num_rows
    return found


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _hits(column: pa.Array, token: str) -> list[int]:
    if pa.types.is_list(column.type):
        rows = pc.list_parent_indices(column)
        hits: list[int] = rows.filter(pc.equal(pc.list_flatten(column), token)).to_pylist()
        return hits
    return [int(row) for row in pc.indices_nonzero(pc.equal(column, token)).to_pylist()]
