"""One page of a stream: what a reader gets next, and where it stands after it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.control.certificates import CertifiedRange, certified_from, given_back, settled_beyond
from datacentre.control.ranges import OffsetRange
from lake.positions import landed_positions
from sharing.extracts.landed import LandedRows
from sharing.extracts.position import Piece, Position, first_offsets, uncertified, unread

_RANGES = 2_000
_ROUNDS = 50


@dataclass(frozen=True)
class Page:
    """Landed rows as they lie in the lake, the ranges that were looked at for them, and whether there is more."""

    rows: pa.Table
    ranges: tuple[CertifiedRange, ...]
    position: Position
    has_more: bool

    @property
    def part(self) -> str:
        """As the access log has it."""
        return ", ".join(f"c{r.certificate_id} p{r.partition} {r.start_offset}..{r.next_offset}" for r in self.ranges)


@dataclass(frozen=True)
class Extract:
    """A stream as one agreement gives it: `is_live` adds what nobody has audited yet."""

    landed: LandedRows
    control: sa.Engine
    is_live: bool
    row_filter: str | None

    @property
    def contract(self) -> Contract:
        return self.landed.contract

    def page(self, position: Position, most: int) -> Page:
        """Up to `most` rows behind a position, at least one where there is any.

        A row comes once as certified, and before that, where the agreement gives the live edge, once as not certified.
        It comes again, as certified, where its certificate was given up and made anew.
        """
        looked_at: list[CertifiedRange] = []
        for _ in range(_ROUNDS):
            page = self._next(position, most)
            position, looked_at = page.position, [*looked_at, *page.ranges]
            if page.rows.num_rows or not page.has_more:
                break
        return Page(page.rows, tuple(looked_at), position, page.has_more)

    def _next(self, position: Position, most: int) -> Page:
        known = certified_from(self.control, self.contract.key, position.place, _RANGES)
        if not known:
            return self._live(position, most) if self.is_live else Page(self._rows(()), (), position, False)
        ahead = self._ahead(position, known, most)
        taken = first_offsets(ahead, most)
        after = position
        for piece in taken:
            after = after.after(piece)
        last = known[-1]
        is_last = after.place == (last.certificate_id, last.partition, last.next_offset)
        ranges = tuple(piece.range for piece in taken)
        return Page(self._rows(ranges), ranges, after, self.is_live or not is_last or len(known) == _RANGES)

    def _ahead(self, position: Position, known: Sequence[CertifiedRange], most: int) -> list[Piece]:
        """What is new in the ranges, up to `most` offsets at least where there are as many."""
        ahead: list[Piece] = []
        reached = dict(position.reached)
        for r in map(position.cut, known):
            if sum(piece.range.next_offset - piece.range.start_offset for piece in ahead) >= most:
                break
            before = reached.get(r.partition, 0)
            below = min(before, r.next_offset)
            ahead += unread(r, before, self._given_back(r, below))
            reached[r.partition] = max(before, r.next_offset)
        return ahead

    def _given_back(self, r: CertifiedRange, below: int) -> tuple[OffsetRange, ...]:
        if below <= r.start_offset:
            return ()
        return given_back(self.control, self.contract.key, OffsetRange(r.partition, r.start_offset, below))

    def _live(self, position: Position, most: int) -> Page:
        landed = landed_positions(self.landed.lake, self.contract)
        read = {partition: position.live.get(partition, 0) for partition in landed}
        settled = settled_beyond(self.control, self.contract.key, read)
        found = uncertified(settled, read, landed)
        pieces = [Piece(CertifiedRange(0, r.partition, r.start, r.next), r.next) for r in found]
        taken = first_offsets(pieces, most)
        has_more = taken != pieces
        ends = {piece.range.partition: piece.then for piece in taken} if has_more else landed
        ranges = tuple(piece.range for piece in taken)
        return Page(self._rows(ranges), ranges, position.with_live(ends), has_more)

    def _rows(self, ranges: Sequence[CertifiedRange]) -> pa.Table:
        return self.landed.read(ranges, self.row_filter)
