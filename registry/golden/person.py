"""What the state knows of one person: a value per attribute, each with where it is from and why it was taken."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

CONFIDENCES = ("authoritative", "verified", "reported", "linked")
"""Said by the attribute's own authority; by another source after it was checked; by another source; by a record that
was linked to the person without a number."""


@dataclass(frozen=True)
class Origin:
    """The event that a value comes from: where it lies in the topic, and when it happened and was known here."""

    stream: str
    source: str
    event_id: str
    partition: int
    offset: int
    event_date: date
    known_at: datetime


@dataclass(frozen=True)
class Attribute:
    """A value as text (dates in ISO 8601), its origin, one of CONFIDENCES, and why this one won, in words."""

    value: str
    origin: Origin
    confidence: str
    because: str


@dataclass(frozen=True)
class Conflict:
    """Two values of the same rank that can't both be so; the second was kept beside the first."""

    attribute: str
    taken: str
    other: str
    other_origin: Origin


@dataclass(frozen=True)
class Person:
    """A golden record. `person_key` is the pseudonym that every mart shows for the person."""

    person_key: str
    attributes: dict[str, Attribute]
    conflicts: tuple[Conflict, ...] = ()
    household_key: str | None = None


_Origin = tuple[str, str, str, int, int, date, datetime]
_Attribute = tuple[str, str, int, str, str]
_Conflict = tuple[str, str, str, int]
_Document = tuple[str, tuple[_Origin, ...], tuple[_Attribute, ...], tuple[_Conflict, ...], str | None]
"""As stored: most values of a person share an event, so an origin is told once and then known by its place."""


def to_json(person: Person) -> bytes:
    places = {origin: place for place, origin in enumerate(dict.fromkeys(_origins(person)))}
    document: _Document = (
        person.person_key,
        tuple((o.stream, o.source, o.event_id, o.partition, o.offset, o.event_date, o.known_at) for o in places),
        tuple((name, a.value, places[a.origin], a.confidence, a.because) for name, a in person.attributes.items()),
        tuple((c.attribute, c.taken, c.other, places[c.other_origin]) for c in person.conflicts),
        person.household_key,
    )
    return msgspec.json.encode(document)


def _origins(person: Person) -> Iterable[Origin]:
    yield from (attribute.origin for attribute in person.attributes.values())
    yield from (conflict.other_origin for conflict in person.conflicts)


def from_json(document: bytes) -> Person:
    person_key, told, attributes, conflicts, household_key = _DECODER.decode(document)
    origins = [Origin(*origin) for origin in told]
    return Person(
        person_key,
        {name: Attribute(value, origins[at], confidence, why) for name, value, at, confidence, why in attributes},
        tuple(Conflict(name, taken, other, origins[at]) for name, taken, other, at in conflicts),
        household_key,
    )


_DECODER = msgspec.json.Decoder(_Document)
