"""Where a reader stands in a stream, and what it reads next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from datacentre.control.certificates import CertifiedRange
from datacentre.control.ranges import OffsetRange, gaps


@dataclass(frozen=True)
class Position:
    """All before it was read: certified rows by certificate, partition and offset; uncertified ones by partition.

    Certificates are numbered by when they were decided on, so that a range that is certified late comes late instead
    of never. `live` is the next offset by partition.
    """

    certificate: int = 0
    partition: int = 0
    next: int = 0
    live: Mapping[int, int] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, int, int]:
        """Among the certified rows."""
        return self.certificate, self.partition, self.next

    def cut(self, r: CertifiedRange) -> CertifiedRange:
        """What of a range, which ends behind this position, was not read yet."""
        is_mine = (r.certificate_id, r.partition) == (self.certificate, self.partition)
        start = max(r.start_offset, self.next) if is_mine else r.start_offset
        return CertifiedRange(r.certificate_id, r.partition, start, r.next_offset)

    def after(self, taken: CertifiedRange) -> "Position":
        return Position(taken.certificate_id, taken.partition, taken.next_offset, self.live)

    def with_live(self, live: Mapping[int, int]) -> "Position":
        return Position(self.certificate, self.partition, self.next, {**self.live, **live})


def first_offsets(ranges: Sequence[CertifiedRange], most: int) -> list[CertifiedRange]:
    """The first `most` offsets of the ranges; the last range perhaps cut."""
    taken: list[CertifiedRange] = []
    for r in ranges:
        if most <= 0:
            break
        following = min(r.next_offset, r.start_offset + most)
        taken.append(CertifiedRange(r.certificate_id, r.partition, r.start_offset, following))
        most -= following - r.start_offset
    return taken


def uncertified(
    settled: Sequence[OffsetRange], read: Mapping[int, int], landed: Mapping[int, int]
) -> list[OffsetRange]:
    """What has landed and is neither read nor settled, by partition and offset."""
    return [
        gap
        for partition, following in sorted(landed.items())
        if read.get(partition, 0) < following
        for gap in gaps(settled, partition, read.get(partition, 0), following)
    ]
