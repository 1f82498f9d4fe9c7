"""The published marts, opened to make releases of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import duckdb

from datacentre.pseudonym import PseudonymKey
from lake.marts import published
from sharing.releases.projection import Projection

_MEMORY, _THREADS = "1GB", 2
_ROW_GROUP = 65_536


@dataclass(frozen=True)
class PublishedMarts:
    """One version, which stays as it is while it is open."""

    version: str
    connection: duckdb.DuckDBPyConnection

    def content(self, projection: Projection) -> list[Any]:
        """Number and sum of hashes of the rows behind a projection: another content has others."""
        return list(self.connection.execute(projection.content()).fetchall()[0])

    def write(self, query: str, key: PseudonymKey, file: Path) -> None:
        """The rows of a query with tokens of a key, as a Parquet file that is on the disk."""
        self.connection.execute(
            f"copy ({query}) to '{_escaped(file)}' (format parquet, compression zstd, row_group_size {_ROW_GROUP})",
            _pads(query, key),
        )
        synced(file)

    def certificates(self) -> tuple[int, dict[str, dict[str, list[int]]]]:
        """The highest certificate, and by stream and partition the offsets that the rows come from: first and next."""
        rows = self.connection.execute(
            """select stream, kafka_partition, min(start_offset), max(next_offset), max(certificate_id)
            from lake.certified_range group by all order by all"""
        ).fetchall()
        ranges: dict[str, dict[str, list[int]]] = {}
        for stream, partition, start, following, _ in rows:
            ranges.setdefault(stream, {})[str(partition)] = [start, following]
        return max((row[-1] for row in rows), default=0), ranges


@contextmanager
def open_marts(marts: Path, spill: Path) -> Iterator[PublishedMarts]:
    """The version that is published now; what doesn't fit the memory goes to `spill`. Raises CheckFailed before the
    first build."""
    file = published(marts)
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        connection.execute(f"set threads = {_THREADS}")
        connection.execute(f"set temp_directory = '{_escaped(spill)}'")
        yield PublishedMarts(file.name, connection)


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def synced(path: Path) -> None:
    """Have a file or a folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pads(query: str, key: PseudonymKey) -> dict[str, bytes]:
    """DuckDB refuses parameters that aren't used."""
    inner, outer = key.pads()
    return {"inner": inner, "outer": outer} if "$inner" in query else {}


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
