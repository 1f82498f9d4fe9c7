"""Rows of a released mart, page by page or all at once, always of the one release that was begun with.

A release's file never changes, so a row's number in it is the key to go on by.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datacentre.errors import AccessDenied
from sharing.releases.release import Release, current_release, read_release, releases_of

BATCH_ROWS = 131_072
_AHEAD = 1


class ReleaseGone(AccessDenied):
    """The release that a reader was in isn't kept any more."""


@dataclass(frozen=True)
class RowPosition:
    """The release's folder, and the number of the next row."""

    release: str
    row: int


def release_at(home: Path, consumer: str, position: RowPosition | None) -> Release:
    """The one that a reader is in, or the current one. Raises AccessDenied where nothing is released any more."""
    current = current_release(home, consumer)
    if position is None or position.release == current.folder.name:
        return current
    folder = releases_of(home, consumer) / position.release
    if not folder.is_dir():
        raise _gone(consumer, position.release)
    return read_release(folder, consumer)


class ReleasedMart:
    """One file of a release, opened: it can be read to its end whatever becomes of the release."""

    def __init__(self, release: Release, mart: str, columns: Sequence[str]):
        try:
            self._file = pq.ParquetFile(release.file(mart), pre_buffer=True)
        except FileNotFoundError:
            raise ReleaseGone(
                f"{release.consumer}: release {release.number} isn't kept any more; begin again"
            ) from None
        present = set(self._file.schema_arrow.names)
        self._columns = [name for name in columns if name in present]

    @property
    def rows(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def schema(self) -> pa.Schema:
        whole = self._file.schema_arrow.remove_metadata()
        return pa.schema([whole.field(name) for name in self._columns])

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[pa.RecordBatch]:
        """Rows `[start, stop)` in the file's order; reads the row groups that hold them, no others, each while the one
        before is being used."""
        stop = self.rows if stop is None else min(stop, self.rows)
        with ThreadPoolExecutor(1, thread_name_prefix="row-groups") as reader:
            coming: deque[Future[list[pa.RecordBatch]]] = deque()
            for read in self._reads(reader, start, stop):
                coming.append(read)
                if len(coming) > _AHEAD:
                    yield from coming.popleft().result()
            while coming:
                yield from coming.popleft().result()

    def _reads(self, reader: ThreadPoolExecutor, start: int, stop: int) -> Iterator[Future[list[pa.RecordBatch]]]:
        first = 0
        for group in range(self._file.num_row_groups):
            following = first + self._file.metadata.row_group(group).num_rows
            if first < stop and start < following:
                yield reader.submit(self._group, group, max(start - first, 0), min(stop, following) - first)
            first = following

    def _group(self, group: int, start: int, stop: int) -> list[pa.RecordBatch]:
        table = self._file.read_row_group(group, self._columns, use_threads=True).slice(start, stop - start)
        batches: list[pa.RecordBatch] = table.select(self._columns).cast(self.schema).to_batches(BATCH_ROWS)
        return batches


def _gone(consumer: str, release: str) -> ReleaseGone:
    return ReleaseGone(f"{consumer}: release {release} isn't kept any more; begin again without `after`")
