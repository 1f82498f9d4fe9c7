"""Certificates over offset ranges: what was checked, what passed, what is held and why.

At most one certificate that isn't superseded covers an offset of a stream's partition. The
certificate's number grows with every decision, also with a late release, so that whoever builds
from the store takes what has a number above the last one built.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Any

import sqlalchemy as sa

from datacentre.control.ranges import OffsetRange, gaps, merged
from datacentre.control.store import number_of, writing
from datacentre.control.tables import certificate
from datacentre.control.validations import Validation, keep
from datacentre.errors import CheckFailed

MAX_RECORD_IDS = 1000


class Status(StrEnum):
    PASSED = "passed"
    HELD = "held"
    RELEASED = "released"
    QUARANTINED = "quarantined"
    REMAINDER = "remainder"
    """What is left of a certified range after offsets were cut out; it keeps the number, in `replaces`."""
    SUPERSEDED = "superseded"


CERTIFIED = (Status.PASSED, Status.RELEASED, Status.REMAINDER)
COVERING = certificate.c.status != Status.SUPERSEDED
NUMBER = sa.case((certificate.c.status == Status.REMAINDER, certificate.c.replaces), else_=certificate.c.id).label("id")


class OverlappingCertificate(CheckFailed):
    """Somebody else has certified or held a part of this range in the meantime."""


@dataclass(frozen=True)
class Failing:
    """An expectation that wasn't met in a batch. `record_ids` are `partition:offset`, never values."""

    expectation: str
    severity: str
    unexpected_count: int
    record_ids: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Judgement:
    """What the gate said of one batch, and what it was measured against; without a validation where it had no row."""

    status: Status
    reason: str
    failing: tuple[Failing, ...]
    contract_hash: str
    suite_hash: str
    landed_version: int
    validation: Validation | None = None


@dataclass(frozen=True)
class CertifiedRange:
    """Offsets `[start_offset, next_offset)` that may be built on."""

    certificate_id: int
    partition: int
    start_offset: int
    next_offset: int


@dataclass(frozen=True)
class Certificate:
    """One row of the store."""

    id: int
    stream: str
    range: OffsetRange
    status: Status
    reason: str
    failing: tuple[Failing, ...]
    landed_version: int
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None


def covered(engine: sa.Engine, stream: str) -> tuple[OffsetRange, ...]:
    """The ranges that aren't to be checked again, by partition and offset."""
    c = certificate.c
    query = sa.select(c.partition, c.start_offset, c.next_offset).where(c.stream == stream, COVERING)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(c.partition, c.start_offset))
        return tuple(OffsetRange(row.partition, row.start_offset, row.next_offset) for row in rows)


def pending(engine: sa.Engine, stream: str, landed_next: Mapping[int, int]) -> tuple[OffsetRange, ...]:
    """The landed ranges that no certificate covers, from offset 0 on, by partition and offset.

    `landed_next` is the next offset to land by partition; below it nothing is landed any more.
    """
    c = certificate.c
    width = sa.func.sum(c.next_offset - c.start_offset, type_=sa.BigInteger).label("width")
    highest = sa.func.max(c.next_offset).label("highest")
    query = sa.select(c.partition, width, highest).where(c.stream == stream, COVERING)
    with engine.connect() as connection:
        rows = connection.execute(query.group_by(c.partition))
        ends = {row.partition: (int(row.width), int(row.highest)) for row in rows}
    unchecked: list[OffsetRange] = []
    for partition, following in sorted(landed_next.items()):
        total, end = ends.get(partition, (0, 0))
        if total == end:  # one unbroken range from 0, the common case, needs no reading of each
            unchecked += gaps((), partition, end, following)
        else:
            unchecked += gaps(covered(engine, stream), partition, 0, following)
    return tuple(unchecked)


def record(engine: sa.Engine, stream: str, ranges: Sequence[OffsetRange], judgement: Judgement) -> tuple[int, ...]:
    """Store one certificate per range and the validation behind them, all or none; returns their numbers.

    Each keeps the ids of its own range, at most 1000. Raises OverlappingCertificate when a
    certificate already covers a part of one of the ranges.
    """
    with writing(engine) as connection:
        numbers = tuple(_insert(connection, stream, wanted, judgement) for wanted in ranges)
        if judgement.validation is not None:
            keep(connection, stream, numbers, judgement.validation)
        return numbers


def certified_ranges(engine: sa.Engine, stream: str) -> tuple[CertifiedRange, ...]:
    """The ranges that passed or were released, by certificate number."""
    c = certificate.c
    query = sa.select(NUMBER, c.partition, c.start_offset, c.next_offset)
    query = query.where(c.stream == stream, c.status.in_(CERTIFIED)).order_by(NUMBER, c.partition, c.start_offset)
    with engine.connect() as connection:
        rows = connection.execute(query)
        return tuple(CertifiedRange(r.id, r.partition, r.start_offset, r.next_offset) for r in rows)


def certified_by_stream(engine: sa.Engine, streams: Iterable[str]) -> dict[str, tuple[CertifiedRange, ...]]:
    """`certified_ranges` of all streams as of one moment: no number is missing below the highest one seen."""
    c = certificate.c
    query = sa.select(c.stream, NUMBER, c.partition, c.start_offset, c.next_offset)
    found: dict[str, list[CertifiedRange]] = {stream: [] for stream in streams}
    with engine.connect() as connection:
        rows = map(tuple[Any, ...], connection.execute(query.where(c.status.in_(CERTIFIED)).order_by(NUMBER)))
        for stream, *place in rows:
            if stream in found:
                found[stream].append(CertifiedRange(*place))
    return {stream: tuple(ranges) for stream, ranges in found.items()}


def certified_from(
    engine: sa.Engine, stream: str, place: tuple[int, int, int], most: int
) -> tuple[CertifiedRange, ...]:
    """The first `most` of `certified_ranges` that end behind a place: certificate, partition and offset."""
    c = certificate.c
    number, partition, offset = place
    is_same = NUMBER.in_([number])
    behind = sa.or_(
        number < NUMBER,
        sa.and_(is_same, c.partition > partition),
        sa.and_(is_same, c.partition == partition, c.next_offset > offset),
    )
    query = sa.select(NUMBER, c.partition, c.start_offset, c.next_offset)
    # A remainder's own id is above the number that it keeps, so that no row below is needed.
    query = query.where(c.stream == stream, c.status.in_(CERTIFIED), c.id >= number, behind)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(NUMBER, c.partition, c.start_offset).limit(most))
        return tuple(CertifiedRange(r.id, r.partition, r.start_offset, r.next_offset) for r in rows)


def given_back(engine: sa.Engine, stream: str, wanted: OffsetRange) -> tuple[OffsetRange, ...]:
    """The parts of a range over which a certificate was superseded: what is certified there was certified anew."""
    c = certificate.c
    query = sa.select(c.partition, c.start_offset, c.next_offset).where(
        c.stream == stream,
        c.status == Status.SUPERSEDED,
        c.partition == wanted.partition,
        c.start_offset < wanted.next,
        c.next_offset > wanted.start,
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    shared = (wanted.shared(OffsetRange(row.partition, row.start_offset, row.next_offset)) for row in rows)
    return merged(part for part in shared if part)


def settled_beyond(engine: sa.Engine, stream: str, offsets: Mapping[int, int]) -> tuple[OffsetRange, ...]:
    """What is certified, or kept out for good, and ends above an offset of its partition; of these partitions only."""
    c = certificate.c
    places = [sa.and_(c.partition == partition, c.next_offset > offset) for partition, offset in offsets.items()]
    query = sa.select(c.partition, c.start_offset, c.next_offset).where(c.stream == stream, sa.or_(*places))
    query = query.where(c.status.in_((*CERTIFIED, Status.QUARANTINED))).order_by(c.partition, c.start_offset)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
        return tuple(OffsetRange(row.partition, row.start_offset, row.next_offset) for row in rows)


def newest_decision(engine: sa.Engine) -> int:
    """Grows whenever the certified ranges may have changed; 0 in an empty store."""
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.coalesce(sa.func.max(certificate.c.id), 0))).scalar_one()


def numbered(engine: sa.Engine, stream: str, numbers: Iterable[int]) -> tuple[Certificate, ...]:
    """The certificates of a stream that have these numbers of their own, in order."""
    c = certificate.c
    query = sa.select(certificate).where(c.stream == stream, c.id.in_(sorted(numbers))).order_by(c.id)
    with engine.connect() as connection:
        return tuple(_certificate(row) for row in connection.execute(query).mappings())


def held(engine: sa.Engine, stream: str | None = None) -> tuple[Certificate, ...]:
    """The certificates that wait for an engineer, of one stream or of all, oldest first."""
    c = certificate.c
    query = sa.select(certificate).where(c.status == Status.HELD).order_by(c.id)
    if stream is not None:
        query = query.where(c.stream == stream)
    with engine.connect() as connection:
        return tuple(_certificate(row) for row in connection.execute(query).mappings())


def held_counts(engine: sa.Engine) -> dict[str, int]:
    """How many certificates wait for an engineer, by stream; streams without any are left out."""
    c = certificate.c
    query = sa.select(c.stream, sa.func.count()).where(c.status == Status.HELD).group_by(c.stream)
    with engine.connect() as connection:
        return {row.stream: int(row[1]) for row in connection.execute(query)}


def newest_held(engine: sa.Engine, stream: str, limit: int) -> tuple[Certificate, ...]:
    """The newest certificates of a stream that wait for an engineer, newest first."""
    c = certificate.c
    query = sa.select(certificate).where(c.stream == stream, c.status == Status.HELD)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(c.id.desc()).limit(limit)).mappings()
        return tuple(_certificate(row) for row in rows)


def release(engine: sa.Engine, certificate_id: int, who: str, reason: str) -> int:
    """Certify a held range as it is; returns its new number. The held certificate is superseded."""
    with writing(engine) as connection:
        row = _decide(connection, certificate_id, Status.SUPERSEDED, who)
        kept = {name: row[name] for name in row if name not in ("id", "created_at")}
        changed = {
            "status": Status.RELEASED,
            "reason": reason,
            "replaces": certificate_id,
            "decided_by": who,
            "decided_at": _now(),
            "created_at": _now(),
        }
        return number_of(connection.execute(certificate.insert().values({**kept, **changed})))


def quarantine(engine: sa.Engine, certificate_id: int, who: str, reason: str) -> None:
    """Keep a held range out for good: it stays covered and is never certified."""
    with writing(engine) as connection:
        _decide(connection, certificate_id, Status.QUARANTINED, who, reason)


def recheck(engine: sa.Engine, certificate_id: int, who: str, reason: str) -> None:
    """Give a held range back to the next check, after the contract or the suite has changed."""
    with writing(engine) as connection:
        _decide(connection, certificate_id, Status.SUPERSEDED, who, reason)


def _insert(connection: sa.Connection, stream: str, wanted: OffsetRange, judgement: Judgement) -> int:
    c = certificate.c
    overlap = sa.select(c.id, c.start_offset, c.next_offset).where(
        c.stream == stream,
        c.partition == wanted.partition,
        c.start_offset < wanted.next,
        c.next_offset > wanted.start,
        COVERING,
    )
    if (other := connection.execute(overlap.limit(1)).first()) is not None:
        raise OverlappingCertificate(
            f"{stream} {wanted} overlaps certificate {other.id} ({other.start_offset}..{other.next_offset});"
            " another check is running, this one's result is dropped"
        )
    values = {
        "stream": stream,
        "partition": wanted.partition,
        "start_offset": wanted.start,
        "next_offset": wanted.next,
        "status": judgement.status,
        "reason": judgement.reason,
        "failing": _failing_within(wanted, judgement.failing),
        "contract_hash": judgement.contract_hash,
        "suite_hash": judgement.suite_hash,
        "landed_version": judgement.landed_version,
        "created_at": _now(),
    }
    return number_of(connection.execute(certificate.insert().values(values)))


def _failing_within(wanted: OffsetRange, failing: Iterable[Failing]) -> list[dict[str, Any]]:
    room, kept = MAX_RECORD_IDS, []
    for item in failing:
        ids = list(islice((i for i in item.record_ids if wanted.holds(i)), room))
        room -= len(ids)
        kept.append({**asdict(item), "record_ids": ids})
    return kept


def _decide(
    connection: sa.Connection, certificate_id: int, status: Status, who: str, reason: str | None = None
) -> Mapping[str, Any]:
    """Change a held certificate and return what it was; raises CheckFailed when it isn't held."""
    c = certificate.c
    row = connection.execute(sa.select(certificate).where(c.id == certificate_id)).mappings().first()
    if row is None or row["status"] != Status.HELD:
        state = "doesn't exist" if row is None else f"is {row['status']}"
        raise CheckFailed(f"certificate {certificate_id} {state}; only a held one can be decided on")
    text = row["reason"] if reason is None else f"{row['reason']}; {reason}"
    change = certificate.update().where(c.id == certificate_id)
    connection.execute(change.values(status=status, reason=text, decided_by=who, decided_at=_now()))
    return dict(row)


def _certificate(row: sa.RowMapping) -> Certificate:
    return Certificate(
        id=row["id"],
        stream=row["stream"],
        range=OffsetRange(row["partition"], row["start_offset"], row["next_offset"]),
        status=Status(row["status"]),
        reason=row["reason"],
        failing=tuple(Failing(**{**f, "record_ids": tuple(f["record_ids"])}) for f in row["failing"]),
        landed_version=row["landed_version"],
        created_at=row["created_at"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
    )


def _now() -> datetime:
    return datetime.now(UTC)
