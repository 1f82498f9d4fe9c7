"""Where a person stands in what was shared: rows of a release's file, offsets of a stream."""

from collections.abc import Collection
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


def offsets_of(lake: Path, contract: Contract, person_keys: Collection[str], row_filter: str | None) -> Offsets:
    """Searches every pseudonym column of what has landed, also lists, among the rows that the filter gives."""
    pinned = snapshot(lake, contract, "landed")
    columns = [(f.pseudonym_column, f.type == "array") for f in contract.pseudonymised]
    found: dict[int, list[int]] = {}
    if pinned.files and columns:
        named = " or ".join(
            f"list_has_any({n}, $keys)" if is_list else f"list_contains($keys, {n})" for n, is_list in columns
        )
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"""select kafka_partition, kafka_offset
                from read_parquet($files, hive_partitioning = true, union_by_name = true)
                where ({named}) and ({row_filter or "true"})""",
                {"files": list(pinned.files), "keys": sorted(person_keys)},
            ).fetchall()
        for partition, offset in rows:
            found.setdefault(partition, []).append(offset)
    return Offsets(found)


def rows_of(file: Path, tokens: Collection[str]) -> list[int]:
    """The numbers of the rows of a file that hold one of the tokens in any column of text or of lists of text."""
    parquet = pq.ParquetFile(file)
    wanted = [f.name for f in parquet.schema_arrow if _is_text(f.type)]
    found: list[int] = []
    first, looked_for = 0, pa.array(sorted(tokens), pa.string())
    for batch in parquet.iter_batches(columns=wanted):
        hits = {row for column in batch.columns for row in _hits(column, looked_for)}
        found += sorted(first + row for row in hits)
        first += batch.num_rows
    return found


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _hits(column: pa.Array, tokens: pa.Array) -> list[int]:
    if pa.types.is_list(column.type):
        rows = pc.list_parent_indices(column)
        hits: list[int] = rows.filter(pc.is_in(pc.list_flatten(column), tokens)).to_pylist()
        return hits
    return [int(row) for row in pc.indices_nonzero(pc.is_in(column, tokens)).to_pylist()]
