"""What the state already knows of a person: exactly the attributes that an agreement gives for a purpose."""

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datacentre.contracts import Contract
from datacentre.errors import ContractError
from datacentre.pseudonym import PseudonymKey
from lake.person import patterns_of
from registry.golden.person import Person
from sharing.access_log.entry import Read
from sharing.permission import Permission
from sharing.persons import Persons


class NotANumber(ContractError):
    """What was sent can't be a person's number."""


@dataclass(frozen=True)
class Known:
    """One attribute: where it is held, its value, who said it, when, and how sure that is (registry CONFIDENCES)."""

    attribute: str
    is_held: bool
    value: str | None = None
    source: str | None = None
    date: datetime.date | None = None
    confidence: str | None = None


@dataclass(frozen=True)
class LookupAnswer:
    """A person of whom nothing is held and a number that nobody has look the same."""

    attributes: tuple[Known, ...]
    read: Read


@dataclass(frozen=True)
class Lookup:
    """Answers by number; `key` makes the pseudonym that the registry knows a person by."""

    persons: Persons
    key: PseudonymKey
    patterns: tuple[str, ...]

    @classmethod
    def over(cls, persons: Persons, key: PseudonymKey, contracts: Iterable[Contract]) -> "Lookup":
        return cls(persons, key, tuple(sorted(patterns_of(contracts))))

    def person_key(self, cid: str) -> str:
        """Raises NotANumber where it matches none of the contracts' patterns."""
        if not any(re.fullmatch(pattern.removeprefix("^").removesuffix("$"), cid) for pattern in self.patterns):
            raise NotANumber("the cid isn't a citizen identity number; send its digits as text, `cid` in a JSON object")
        return self.key.pseudonym(cid)

    def known(self, person_key: str, attributes: Sequence[str]) -> tuple[Known, ...]:
        """In the order of `attributes`."""
        person = self.persons.find(person_key)
        return tuple(_known(person, attribute) for attribute in attributes)

    def answer(self, permission: Permission, person_key: str) -> LookupAnswer:
        """Raises AccessDenied where the agreement gives no lookup for the purpose."""
        attributes = permission.attributes()
        known = self.known(person_key, attributes)
        return LookupAnswer(known, lookup_read(permission, "lookup", "person", person_key, known))


def lookup_read(permission: Permission, action: str, dataset: str, person_key: str, known: Sequence[Known]) -> Read:
    """As the access log has it: the fields are those that a value was given of."""
    return Read(
        consumer=permission.consumer,
        key_id=permission.key_id,
        purpose=permission.purpose,
        action=action,
        dataset=dataset,
        version=permission.agreement.id,
        fields=tuple(k.attribute for k in known if k.is_held),
        rows=int(any(k.is_held for k in known)),
        person_key=person_key,
    )


def _known(person: Person | None, attribute: str) -> Known:
    held = person.attributes.get(attribute) if person else None
    if held is None:
        return Known(attribute, False)
    return Known(attribute, True, held.value, held.origin.source, held.origin.event_date, held.confidence)
