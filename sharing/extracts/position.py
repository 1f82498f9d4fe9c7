"""Where a reader stands in a stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from datacentre.control.certificates import CertifiedRange
from datacentre.control.ranges import OffsetRange, gaps


@dataclass(frozen=True)
class Position:
    """What was read: certified rows up to a place (certificate, partition, offset), uncertified ones by partition.

    Certificates are numbered by when they were decided on, so that a range that is certified late comes late instead
    of never. `reached` is the highest offset read as certified by partition, and `live` the next one to read
    uncertified.
    """

    certificate: int = 0
    partition: int = 0
    next: int = 0
    reached: Mapping[int, int] = field(default_factory=dict)
    live: Mapping[int, int] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, int, int]:
        """Among the certified rows."""
        return self.certificate, self.partition, self.next

    def cut(self, r: CertifiedRange) -> CertifiedRange:
        """What of a range, which ends behind this position, was not read yet under its certificate's number."""
        is_mine = (r.certificate_id, r.partition) == (self.certificate, self.partition)
        start = max(r.start_offset, self.next) if is_mine else r.start_offset
        return replace(r, start_offset=start)

    def after(self, taken: "Piece") -> "Position":
        r = taken.range
        reached = max(self.reached.get(r.partition, 0), r.next_offset)
        return Position(r.certificate_id, r.partition, taken.then, {**self.reached, r.partition: reached}, self.live)

    def with_live(self, live: Mapping[int, int]) -> "Position":
        return replace(self, live={**self.live, **live})


@dataclass(frozen=True)
class Piece:
    """Offsets of one certificate to read, and the offset from which to go on in it once they were read."""

    range: CertifiedRange
    then: int


def unread(r: CertifiedRange, reached: int, given_back: Sequence[OffsetRange]) -> list[Piece]:
    """What of a range comes new to a reader that has `reached` an offset of its partition.

    Neighbours are folded under the highest of their numbers (docs/decisions/028), so that what was read under a lower
    number may come once more in a longer range. Below `reached` only what was `given_back` and certified anew is new;
    a range that lies there whole, and has nothing of it, is one that was certified late.
    """
    new = [(part.start, part.next) for part in given_back]
    if reached < r.next_offset:
        new.append((max(r.start_offset, reached), r.next_offset))
    new = new or [(r.start_offset, r.next_offset)]
    ends = [following for _, following in new[:-1]] + [r.next_offset]
    return [
        Piece(replace(r, start_offset=start, next_offset=stop), end)
        for (start, stop), end in zip(new, ends, strict=True)
    ]


def first_offsets(pieces: Sequence[Piece], most: int) -> list[Piece]:
    """The first `most` offsets; the last piece perhaps cut."""
    taken: list[Piece] = []
    for piece in pieces:
        if most <= 0:
            break
        r = piece.range
        following = min(r.next_offset, r.start_offset + most)
        whole = following == r.next_offset
        taken.append(piece if whole else Piece(replace(r, next_offset=following), following))
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
