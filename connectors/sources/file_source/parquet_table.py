"""Parquet files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.sources.file_source.table import Cell, Row, as_cell
from datacentre.errors import ContractError

_BATCH_ROWS = 5_000


class ParquetTable:
    """A Parquet file with flat columns; lists are allowed as values. Nanoseconds are cut to microseconds."""

    def __init__(self, file: Path):
        self.file = file
        try:
            self._columns = tuple(pq.read_schema(file).names)
        except (pa.ArrowException, OSError) as problem:
            raise ContractError(f"{file}: can't be read as Parquet: {problem}") from None

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        number = 0
        with pq.ParquetFile(self.file) as source:
            for batch in source.iter_batches(batch_size=_BATCH_ROWS, columns=list(wanted)):
                cells = [_cells(batch.column(batch.schema.get_field_index(name))) for name in wanted]
                for row in zip(*cells, strict=True):
                    number += 1
                    yield Row(number, None, row)


def _cells(column: pa.Array) -> list[Cell]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return [as_cell(value) for value in column.to_pylist()]
