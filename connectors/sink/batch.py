"""Records of one stream on their way from the broker to a commit, in columns."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from connectors.sink.arrays import booleans, fixed
from datacentre.contracts.columns import INSTANT

BATCH = pa.schema(
    [
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("broker_time", INSTANT),
        ("record_key", pa.binary()),
        ("value", pa.binary()),
    ]
)


@dataclass(frozen=True)
class Chunk:
    """Records of one topic in columns of the same length; offsets ascend within a partition.

    `partitions` int32, `offsets` int64, `times_ms` int64 (broker time), `keys` and `values` binary.
    """

    topic: str
    partitions: np.ndarray
    offsets: np.ndarray
    times_ms: np.ndarray
    keys: pa.Array
    values: pa.Array

    def __len__(self) -> int:
        return len(self.offsets)

    @classmethod
    def of(cls, topic: str, records: Iterable[tuple[int, int, int, bytes | None, bytes | None]]) -> "Chunk":
        """From records as (partition, offset, broker time in ms, key, value)."""
        partitions, offsets, times, keys, values = tuple(zip(*records, strict=True)) or ((),) * 5
        return cls(
            topic,
            np.array(partitions, np.int32),
            np.array(offsets, np.int64),
            np.array(times, np.int64),
            pa.array(keys, pa.binary()),
            pa.array(values, pa.binary()),
        )

    @property
    def size_bytes(self) -> int:
        return int(self.values.nbytes + self.keys.nbytes)

    def following(self) -> dict[int, int]:
        """Offset after the last record, by partition."""
        if len(self) and self.partitions[0] == self.partitions[-1] and (self.partitions == self.partitions[0]).all():
            return {int(self.partitions[0]): int(self.offsets[-1]) + 1}
        return {int(p): int(self.offsets[self.partitions == p].max()) + 1 for p in np.unique(self.partitions)}

    def where(self, kept: np.ndarray) -> "Chunk":
        """The rows that a boolean mask keeps."""
        if kept.all():
            return self
        mask = booleans(kept)
        return Chunk(
            self.topic,
            self.partitions[kept],
            self.offsets[kept],
            self.times_ms[kept],
            self.keys.filter(mask),
            self.values.filter(mask),
        )

    def at_or_above(self, expected: Mapping[int, int]) -> "Chunk":
        """The rows of the partitions in `expected`, at or above their offset there."""
        least = np.full(int(self.partitions.max(initial=0)) + 1, np.iinfo(np.int64).max, np.int64)
        for partition, offset in expected.items():
            if partition < len(least):
                least[partition] = offset
        return self.where(self.offsets >= least[self.partitions])

    def shifted(self, bases: Mapping[int, int]) -> "Chunk":
        """Topic offsets as lake offsets, see `Topic.bases`."""
        if not any(bases.values()):
            return self
        offsets = self.offsets + np.array([bases.get(int(p), 0) for p in self.partitions], np.int64)
        return Chunk(self.topic, self.partitions, offsets, self.times_ms, self.keys, self.values)


@dataclass
class Batch:
    """Buffered records and, per partition, the offset range `(start, next)` they stand for.

    Ranges come from the consumer's position, so they cover gaps that hold no record.
    """

    ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    rows: int = 0
    size_bytes: int = 0
    opened_at: float = 0.0

    def add(self, chunk: Chunk) -> None:
        if len(chunk):
            self.chunks.append(chunk)
            self.rows += len(chunk)
            self.size_bytes += chunk.size_bytes

    def advance(self, partition: int, start: int, position: int) -> None:
        """Extend the partition's range to `position`; a new range begins at `start`."""
        first, following = self.ranges.get(partition, (start, start))
        if position > following:
            if not self.ranges:
                self.opened_at = time.monotonic()
            self.ranges[partition] = (first, position)

    def age(self) -> float:
        """Seconds since the oldest range was opened."""
        return time.monotonic() - self.opened_at if self.ranges else 0.0

    def table(self) -> pa.Table:
        """Columns kafka_partition, kafka_offset, broker_time, record_key, value."""
        if not self.chunks:
            return BATCH.empty_table()
        times = _joined([c.times_ms for c in self.chunks]) * 1000
        return pa.Table.from_arrays(
            [
                fixed(pa.int32(), _joined([c.partitions for c in self.chunks])),
                fixed(pa.int64(), _joined([c.offsets for c in self.chunks])),
                fixed(INSTANT, times),
                pa.chunked_array([c.keys for c in self.chunks]),
                pa.chunked_array([c.values for c in self.chunks]),
            ],
            schema=BATCH,
        )

    def without(self, partitions: set[int]) -> "Batch":
        """The same records but those of `partitions`."""
        rest = Batch(opened_at=self.opened_at)
        rest.ranges = {p: r for p, r in self.ranges.items() if p not in partitions}
        for chunk in self.chunks:
            rest.add(chunk.where(~np.isin(chunk.partitions, list(partitions))))
        return rest


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
