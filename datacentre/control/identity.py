"""Events of identity: who was found or decided to be whom. They are appended and numbered, never changed."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa

from datacentre.control.store import writing
from datacentre.control.tables import identity_event


class Kind(StrEnum):
    LINKED = "linked"
    """The record of one place speaks of `person_key`; `other_key` is what it said itself, if anything."""
    FOUNDED = "founded"
    """The record of one place speaks of a person of its own, for nobody is known who is surely the same."""
    REVIEW_OPENED = "review opened"
    """`other_key` may be one of `candidates`: somebody decides. The place is the first record's."""
    REVIEW_SAME = "review decided: same"
    """`other_key` is `person_key`, by the review that this is about."""
    REVIEW_DIFFERENT = "review decided: different"
    MERGED = "merged"
    """`other_key` is `person_key`."""
    UNMERGED = "unmerged"
    """The merge, or the review's decision, that this is about never happened."""
    SPLIT = "split"
    """The record of one place speaks of `person_key`, a person of its own, no longer of `other_key`."""


PLACING = (Kind.LINKED, Kind.FOUNDED, Kind.SPLIT)
"""They say of whom the record of a place speaks; of several the last one holds."""
MERGING = (Kind.MERGED, Kind.REVIEW_SAME)
"""They make two persons one, until they are taken back."""


@dataclass(frozen=True)
class Event:
    """One event as it is told; the store gives it number and time.

    `stream`, `kafka_partition` and `kafka_offset` are the place of a record. `candidates` are pairs of pseudonym and
    probability, the most probable first.
    """

    kind: Kind
    who: str
    reason: str
    person_key: str | None = None
    other_key: str | None = None
    stream: str | None = None
    kafka_partition: int | None = None
    kafka_offset: int | None = None
    probability: float | None = None
    model_id: str | None = None
    candidates: tuple[tuple[str, float], ...] = ()
    about: int | None = None
    number: int = field(default=0, compare=False)
    at: datetime | None = field(default=None, compare=False)


def append(engine: sa.Engine, events: Sequence[Event]) -> int:
    """All of them or none; returns the number of the last."""
    with writing(engine) as connection:
        return append_in(connection, events)


def append_in(connection: sa.Connection, events: Sequence[Event]) -> int:
    """As `append`, within a transaction that has looked at the events before."""
    now = datetime.now(UTC)
    if events:
        connection.execute(identity_event.insert(), [_row(event, now) for event in events])
    return _newest(connection)


def newest_event(engine: sa.Engine) -> int:
    """Grows whenever the state may have changed; 0 where nothing has happened."""
    with engine.connect() as connection:
        return _newest(connection)


def events(engine: sa.Engine, kinds: Iterable[Kind] = tuple(Kind), after: int = 0) -> list[Event]:
    """Those of these kinds behind a number, in order."""
    with engine.connect() as connection:
        return events_in(connection, kinds, after)


def events_in(connection: sa.Connection, kinds: Iterable[Kind] = tuple(Kind), after: int = 0) -> list[Event]:
    c = identity_event.c
    query = sa.select(identity_event).where(c.number > after, c.kind.in_(list(kinds))).order_by(c.number)
    return [_event(row) for row in connection.execute(query).mappings()]


def decided_reviews(engine: sa.Engine, kind: Kind) -> list[Event]:
    """The reviews that were decided by an event of this kind, in order."""
    c = identity_event.c
    about = sa.select(c.about).where(c.kind == kind)
    query = sa.select(identity_event).where(c.number.in_(about)).order_by(c.number)
    with engine.connect() as connection:
        return [_event(row) for row in connection.execute(query).mappings()]


def _newest(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(identity_event.c.number), 0))).scalar_one())


def _row(event: Event, now: datetime) -> dict[str, object]:
    row = asdict(event) | {"at": now, "candidates": [list(pair) for pair in event.candidates] or None}
    del row["number"]
    return row


def _event(row: sa.RowMapping) -> Event:
    candidates = tuple((str(key), float(chance)) for key, chance in row["candidates"] or ())
    return Event(**{**row, "kind": Kind(row["kind"]), "candidates": candidates})
