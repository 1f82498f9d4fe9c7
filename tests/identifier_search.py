"""Where a text stands in a home: in the bytes of its files, and in the values that compression hides.

Written without the program's own search, which it is there to check.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from kafka import KafkaConsumer, TopicPartition
from kafka.record.memory_records import MemoryRecords


def files_holding(home: Path, text: str) -> set[str]:
    """Paths below the home, a folder `kafka` that is a link included."""
    found = set()
    for root in (home, home / "kafka"):
        for folder, _, names in os.walk(root):  # passes over a folder that the broker deletes meanwhile
            for file in (Path(folder, name) for name in names):
                if file.is_file() and any(text.encode() in _unescaped(piece) for piece in _pieces(file)):
                    found.add(str(file.relative_to(home)))
    return found


def _unescaped(data: bytes) -> bytes:
    """With the digits that JSON has escaped written out, behind the bytes as they are."""
    return data + b"".join([b"\n", *_digits(data)])


def _digits(data: bytes) -> Iterator[bytes]:
    if b"\\u003" in data:
        for digit in b"0123456789":
            data = data.replace(b"\\u003" + bytes([digit]), bytes([digit]))
        yield data


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return
    yield data
    if data.startswith(b"PAR1"):
        yield str(pq.read_table(file, partitioning=None).to_pylist()).encode()
    elif data.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
            for (table,) in store.execute("select name from sqlite_master where type = 'table'").fetchall():
                yield str(store.execute(f'select * from "{table}"').fetchall()).encode()
    elif data[8:12] == b"DUCK":
        with duckdb.connect(str(file), read_only=True) as store:
            for schema, table in store.execute("select schema_name, table_name from duckdb_tables()").fetchall():
                yield str(store.execute(f'from "{schema}"."{table}"').fetchall()).encode()
    elif ".log" in file.name and "__" in file.parent.name:
        records = MemoryRecords(data)
        while (batch := records.next_batch()) is not None:
            yield b"\n".join(part for record in batch for part in (record.key, record.value) if part)


def topics_holding(bootstrap_servers: str, topics: list[str], text: str) -> set[str]:
    """Topics of which a consumer that reads from the start gets the text."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, isolation_level="read_uncommitted")
    try:
        places = [TopicPartition(t, p) for t in topics for p in consumer.partitions_for_topic(t) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning()
        ends, found = consumer.end_offsets(places), set()
        while any(consumer.position(place) < ends[place] for place in places):
            for place, records in consumer.poll(timeout_ms=500).items():
                if any(text.encode() in _unescaped(r.value or b"") for r in records):
                    found.add(place.topic)
        return found
    finally:
        consumer.close()
