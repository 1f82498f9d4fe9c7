"""What a file holds, whatever its format: its bytes as they are, and those behind compression and encoding."""

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from kafka.record.memory_records import MemoryRecords

_CHUNK = 4 * 1024 * 1024
_OVERLAP = 512
_ROWS = 50_000
SQLITE = b"SQLite format 3\0"
_PARQUET = b"PAR1"
_DUCKDB = b"DUCK"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def stored_bytes(file: Path) -> Iterator[bytes]:
    """Pieces in which every value of the file stands whole. The format is known by the file's bytes, not its name."""
    with file.open("rb") as opened:
        head = opened.read(16)
    yield from _pieces(file)
    if head.startswith(_PARQUET):
        yield from _of_parquet(file)
    elif head[8:12] == _DUCKDB:
        yield from _of_duckdb(file)
    elif head == SQLITE:
        yield from _of_sqlite(file)
    elif head.startswith(_GZIP):
        with gzip.open(file) as inner:
            yield from _chunks(inner)
    elif head.startswith(_ZSTD):
        with zstandard.open(file) as inner:
            yield from _chunks(inner)
    elif ".log" in file.name and (file.parent / "partition.metadata").exists():
        yield from _of_segment(file)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from _chunks(opened)


def _chunks(opened: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """Neighbours overlap, so that what lies across a border is found."""
    before = b""
    while piece := opened.read(_CHUNK):
        yield before + piece
        before = piece[-_OVERLAP:]


def _of_parquet(file: Path) -> Iterator[bytes]:
    for batch in pq.ParquetFile(file).iter_batches(_ROWS):
        yield from _of_batch(batch)


def _of_batch(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Arrow keeps the texts of a column side by side in one buffer."""
    for column in batch.columns:
        decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        yield from (buffer.to_pybytes() for buffer in decoded.buffers() if buffer is not None)


def _of_duckdb(file: Path) -> Iterator[bytes]:
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        for schema, table in tables:
            rows = connection.sql(f'from "{schema}"."{table}"').to_arrow_table()
            for batch in rows.to_batches():
                yield from _of_batch(batch)


def _of_sqlite(file: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'select * from "{table}"'):
                yield "\n".join(str(value) for value in row if isinstance(value, str)).encode(errors="replace")
                yield from (value for value in row if isinstance(value, bytes))


def _of_segment(file: Path) -> Iterator[bytes]:
    """Keys and values of a Kafka log segment; what a crash has left half written at its end is passed over."""
    records = MemoryRecords(file.read_bytes())
    while (batch := records.next_batch()) is not None:
        for record in batch:
            yield from (part for part in (record.key, record.value) if part)
