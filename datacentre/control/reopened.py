"""Offsets given back to the next check, because rows came into them after they were certified."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from datacentre.control.certificates import CERTIFIED, COVERING, Status
from datacentre.control.ranges import OffsetRange, gaps
from datacentre.control.store import writing
from datacentre.control.tables import certificate


def reopen(
    engine: sa.Engine, stream: str, ranges: Sequence[OffsetRange], landed_version: int, who: str, reason: str
) -> tuple[OffsetRange, ...]:
    """Cut ranges out of the certificates over them, because version `landed_version` of landed put rows there.

    What was certified from that version or a later one stays: it was certified with those rows, so this may be
    repeated. The rest of a certified range goes on under its number; a held range is given back whole. `ranges`
    don't overlap each other. Returns what the next check will look at again.
    """
    c = certificate.c
    wanted = sorted(ranges)
    query = sa.select(certificate).where(c.stream == stream, COVERING, c.landed_version < landed_version)
    cut: list[OffsetRange] = []
    with writing(engine) as connection:
        for row in connection.execute(query.order_by(c.partition, c.start_offset)).mappings().all():
            whole = OffsetRange(row["partition"], row["start_offset"], row["next_offset"])
            if inside := _shared(wanted, whole):
                cut += _cut_out(connection, row, whole, inside, (who, reason))
    return tuple(cut)


def last_checked(engine: sa.Engine, stream: str) -> int | None:
    """The newest version of landed that any certificate of the stream was made from; None without one."""
    query = sa.select(sa.func.max(certificate.c.landed_version)).where(certificate.c.stream == stream)
    with engine.connect() as connection:
        return connection.execute(query).scalar_one()


def _shared(wanted: Sequence[OffsetRange], whole: OffsetRange) -> list[OffsetRange]:
    """The parts of `wanted`, which is sorted, that lie in `whole`."""
    first = bisect_right(wanted, (whole.partition, whole.start), key=lambda r: (r.partition, r.next))
    parts = []
    for place in range(first, len(wanted)):
        if (part := whole.shared(wanted[place])) is None:
            break
        parts.append(part)
    return parts


def _cut_out(
    connection: sa.Connection,
    row: sa.RowMapping,
    whole: OffsetRange,
    inside: Sequence[OffsetRange],
    decision: tuple[str, str],
) -> Sequence[OffsetRange]:
    """Supersede one certificate and store anew what of it lies outside; returns what is to be checked again."""
    who, reason = decision
    ended = {"status": Status.SUPERSEDED, "reason": f"{row['reason']}; {reason}", "decided_by": who}
    change = certificate.update().where(certificate.c.id == row["id"])
    connection.execute(change.values(**ended, decided_at=datetime.now(UTC)))
    if row["status"] == Status.HELD:
        return [whole]
    left_status = Status.REMAINDER if row["status"] in CERTIFIED else row["status"]
    number = row["replaces"] if row["status"] == Status.REMAINDER else row["id"]
    kept = {name: row[name] for name in row if name != "id"} | {
        "status": left_status,
        "replaces": number,
        "failing": [],
    }
    rest = [
        kept | {"start_offset": left.start, "next_offset": left.next}
        for left in gaps(inside, whole.partition, whole.start, whole.next)
    ]
    if rest:
        connection.execute(certificate.insert(), rest)
    return inside
