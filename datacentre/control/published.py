"""How far the marts have come: up to which offsets nothing is missing in the version that was published last."""

import sqlalchemy as sa

from datacentre.control.certificates import CERTIFIED, NUMBER, Status
from datacentre.control.outcomes import recent
from datacentre.control.ranges import OffsetRange, gaps
from datacentre.control.tables import certificate

LAST_CERTIFICATE = "last_certificate"
"""In the detail of a build's outcome: the highest certificate that it has built on."""
_END = 2**62


def last_certificate(engine: sa.Engine) -> int:
    """The highest certificate of the version that was published last; 0 where there is none."""
    before = recent(engine, "build", "marts", limit=1)
    return int(before[0].detail.get(LAST_CERTIFICATE, 0)) if before else 0


def published_through(engine: sa.Engine, stream: str, number: int) -> dict[int, int]:
    """By partition, the offset below which all rows are in the marts that were built on certificates up to `number`.

    What is held, or kept out for good, isn't waited for. A partition without any certificate is left out.
    """
    c = certificate.c
    is_settled = sa.or_(
        sa.and_(c.status.in_(CERTIFIED), number >= NUMBER), c.status.in_((Status.HELD, Status.QUARANTINED))
    )
    width = sa.func.sum(c.next_offset - c.start_offset, type_=sa.BigInteger).label("width")
    query = sa.select(c.partition, width, sa.func.max(c.next_offset).label("highest"))
    with engine.connect() as connection:
        rows = connection.execute(query.where(c.stream == stream, is_settled).group_by(c.partition)).all()
    broken = {r.partition for r in rows if int(r.width) != int(r.highest)}  # the others are one range from 0
    ends = {r.partition: int(r.highest) for r in rows}
    return ends | {p: _first_gap(engine, stream, p, is_settled) for p in broken}


def _first_gap(engine: sa.Engine, stream: str, partition: int, is_settled: sa.ColumnElement[bool]) -> int:
    c = certificate.c
    query = sa.select(c.partition, c.start_offset, c.next_offset).order_by(c.start_offset)
    with engine.connect() as connection:
        rows = connection.execute(query.where(c.stream == stream, c.partition == partition, is_settled)).all()
    ranges = (OffsetRange(r.partition, r.start_offset, r.next_offset) for r in rows)
    return next(gaps(ranges, partition, 0, _END)).start
