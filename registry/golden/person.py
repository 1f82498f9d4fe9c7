"""What the state knows of one person: a value per attribute, each with where it is from and why it was taken."""

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


def to_json(person: Person) -> bytes:
    return msgspec.json.encode(person)


def from_json(document: bytes) -> Person:
    return msgspec.json.decode(document, type=Person)
