"""One page of a stream: what a reader gets next, and where it stands after it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from datacentre.contracts import Contract
from datacentre.control.certificates import CertifiedRange, certified_from, settled_beyond
from lake.positions import landed_positions
from sharing.extracts.landed import LandedRows
from sharing.extracts.position import Position, first_offsets, uncertified

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
        ahead = [position.cut(r) for r in known]
        if not ahead:
            return self._live(position, most) if self.is_live else Page(self._rows(()), (), position, False)
        taken = first_offsets(ahead, most)
        has_more = len(known) == _RANGES or taken != ahead or self.is_live
        return Page(self._rows(taken), tuple(taken), position.after(taken[-1]), has_more)

    def _live(self, position: Position, most: int) -> Page:
        landed = landed_positions(self.landed.lake, self.contract)
        read = {partition: position.live.get(partition, 0) for partition in landed}
        settled = settled_beyond(self.control, self.contract.key, read)
        open_ranges = [CertifiedRange(0, r.partition, r.start, r.next) for r in uncertified(settled, read, landed)]
        taken = first_offsets(open_ranges, most)
        has_more = taken != open_ranges
        ends = {r.partition: r.next_offset for r in taken} if has_more else landed
        return Page(self._rows(taken), tuple(taken), position.with_live(ends), has_more)

    def _rows(self, ranges: Sequence[CertifiedRange]) -> pa.Table:
        return self.landed.read(ranges, self.row_filter)
