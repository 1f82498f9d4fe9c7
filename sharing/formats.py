"""Rows as one document in CSV, Parquet or Arrow, in pieces; and as values for JSON."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


_SMALL_BYTES = 65_536


class _Pieces:
    """A file that is read away as it is written."""

    closed = False

    def __init__(self) -> None:
        self._written: list[pa.Buffer | bytes] = []

    def write(self, piece: pa.Buffer | bytes) -> int:
        self._written.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> list[bytes | memoryview]:
        """What was written since; large pieces as they are, small ones put together."""
        pieces: list[bytes | memoryview] = []
        small: list[pa.Buffer | bytes] = []
        for piece in self._written:
            if len(piece) < _SMALL_BYTES:
                small.append(piece)
                continue
            pieces += [b"".join(small)] if small else []
            pieces.append(memoryview(piece))
            small = []
        self._written = []
        return [*pieces, b"".join(small)] if small else pieces


class _Views(_Pieces):
    """For a writer that never changes what it has written: one copy less of everything."""

    def write(self, piece: pa.Buffer | bytes) -> int:
        self._written.append(piece)
        return len(piece)


def records(batches: Iterable[pa.RecordBatch]) -> list[dict[str, object]]:
    """One mapping per row."""
    return [record for batch in batches for record in batch.to_pylist()]


def encoded(schema: pa.Schema, batches: Iterable[pa.RecordBatch], form: str) -> Iterator[list[bytes | memoryview]]:
    """The rows as one document of the form csv, parquet or arrow, in pieces; those of a batch come together."""
    out = _Views() if form == "arrow" else _Pieces()
    flat = _flat(schema) if form == "csv" else schema
    with _writer(out, flat, form) as writer:
        for batch in batches:
            writer.write(_joined(batch, flat) if form == "csv" else batch)
            yield out.taken()
    yield out.taken()


def _writer(out: _Pieces, schema: pa.Schema, form: str) -> pa.ipc.RecordBatchStreamWriter:
    target = pa.PythonFile(out, mode="w")
    if form == "arrow":
        return pa.ipc.new_stream(target, schema)
    return _ParquetWriter(target, schema) if form == "parquet" else csv.CSVWriter(target, schema)


class _ParquetWriter(pq.ParquetWriter):  # type: ignore[misc]
    def write(self, batch: pa.RecordBatch) -> None:
        self.write_batch(batch)


def _flat(schema: pa.Schema) -> pa.Schema:
    """CSV has no place for lists: their items are joined by a semicolon."""
    return pa.schema([pa.field(f.name, pa.string()) if pa.types.is_list(f.type) else f for f in schema])


def _joined(batch: pa.RecordBatch, flat: pa.Schema) -> pa.RecordBatch:
    columns = [_one_text(c) if pa.types.is_list(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=flat)


def _one_text(column: pa.Array) -> pa.Array:
    return pa.array([None if row is None else ";".join(map(str, row)) for row in column.to_pylist()], pa.string())
