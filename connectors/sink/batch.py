"""Records of one stream on their way from the broker to a commit."""

import time
from dataclasses import dataclass, field

import pyarrow as pa

from datacentre.contracts.columns import INSTANT

_SCHEMA = pa.schema(
    [
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("broker_time", INSTANT),
        ("record_key", pa.binary()),
        ("value", pa.binary()),
    ]
)


@dataclass
class Batch:
    """Buffered records and, per partition, the offset range `(start, next)` they stand for.

    Ranges come from the consumer's position, so they cover gaps that hold no record.
    """

    ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    size_bytes: int = 0
    opened_at: float = 0.0

    def add(self, partition: int, offset: int, time_ms: int, key: bytes | None, value: bytes | None) -> None:
        self.partitions.append(partition)
        self.offsets.append(offset)
        self.times.append(time_ms * 1000)
        self.keys.append(key)
        self.values.append(value)
        self.size_bytes += len(value or b"") + len(key or b"")

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
        columns = [self.partitions, self.offsets, self.times, self.keys, self.values]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
        return pa.Table.from_arrays(arrays, schema=_SCHEMA)

    def without(self, partitions: set[int]) -> "Batch":
        """The same records but those of `partitions`."""
        rest = Batch(opened_at=self.opened_at)
        rest.ranges = {p: r for p, r in self.ranges.items() if p not in partitions}
        for partition, offset, micros, key, value in zip(
            self.partitions, self.offsets, self.times, self.keys, self.values, strict=True
        ):
            if partition not in partitions:
                rest.add(partition, offset, micros // 1000, key, value)
        return rest
