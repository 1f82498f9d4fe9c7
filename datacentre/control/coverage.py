"""How much of each stream is certified, and how much is held."""

from dataclasses import dataclass

import sqlalchemy as sa

from datacentre.control.certificates import CERTIFIED, NUMBER, Status
from datacentre.control.tables import certificate


@dataclass(frozen=True)
class Coverage:
    """Of one stream: how many offsets may be built on, how many are held, and the newest certificate's number."""

    certified: int
    held: int
    newest: int


def coverage(engine: sa.Engine) -> dict[str, Coverage]:
    """By stream, of those that have a certificate; one reading of the store."""
    c = certificate.c
    width = c.next_offset - c.start_offset
    sums = (
        sa.func.sum(sa.case((c.status.in_(CERTIFIED), width), else_=0), type_=sa.BigInteger).label("certified"),
        sa.func.sum(sa.case((c.status == Status.HELD, width), else_=0), type_=sa.BigInteger).label("held"),
        sa.func.coalesce(sa.func.max(sa.case((c.status.in_(CERTIFIED), NUMBER))), 0).label("newest"),
    )
    with engine.connect() as connection:
        rows = connection.execute(sa.select(c.stream, *sums).group_by(c.stream))
        return {r.stream: Coverage(int(r.certified), int(r.held), int(r.newest)) for r in rows}
