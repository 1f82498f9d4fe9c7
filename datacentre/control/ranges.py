"""Half-open ranges of Kafka offsets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class OffsetRange:
    """Offsets `[start, next)` of one partition; never empty."""

    partition: int
    start: int
    next: int

    def __post_init__(self) -> None:
        if self.partition < 0 or not 0 <= self.start < self.next:
            raise ValueError(f"not a range of offsets: {self}")

    def __str__(self) -> str:
        return f"p{self.partition} {self.start}..{self.next}"

    def shared(self, other: "OffsetRange") -> "OffsetRange | None":
        """What lies in both, if anything does."""
        start, following = max(self.start, other.start), min(self.next, other.next)
        is_shared = self.partition == other.partition and start < following
        return OffsetRange(self.partition, start, following) if is_shared else None

    def holds(self, record_id: str) -> bool:
        """Whether the record `partition:offset` lies inside."""
        partition, _, offset = record_id.partition(":")
        return int(partition) == self.partition and self.start <= int(offset) < self.next


def gaps(covered: Iterable[OffsetRange], partition: int, start: int, following: int) -> Iterator[OffsetRange]:
    """What of `[start, following)` of a partition isn't covered. `covered` is sorted, without overlap."""
    for taken in covered:
        if taken.partition != partition or taken.next <= start:
            continue
        if taken.start >= following:
            break
        if taken.start > start:
            yield OffsetRange(partition, start, taken.start)
        start = taken.next
    if start < following:
        yield OffsetRange(partition, start, following)


def merged(ranges: Iterable[OffsetRange]) -> tuple[OffsetRange, ...]:
    """The same offsets, sorted, in as few ranges as can be."""
    whole: list[OffsetRange] = []
    for r in sorted(ranges):
        if whole and whole[-1].partition == r.partition and r.start <= whole[-1].next:
            whole[-1] = OffsetRange(r.partition, whole[-1].start, max(whole[-1].next, r.next))
        else:
            whole.append(r)
    return tuple(whole)


def interval(ranges: Iterable[OffsetRange]) -> str:
    """As text for people: `p0 0..120, p1 0..88`."""
    return ", ".join(str(r) for r in ranges)
