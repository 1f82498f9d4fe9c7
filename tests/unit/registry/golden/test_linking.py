"""Patients without a number, or with a wrong one, in a town whose citizens are all registered."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from small_lake import Record, SmallLake, card, visit

from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.reference import read_reference
from datacentre.contracts import Contract
from datacentre.control.identity import Kind, events
from datacentre.control.store import opened
from datacentre.settings import from_environment

CITIZENS, WITHOUT = 1_200, 60


@dataclass(frozen=True)
class Town:
    """A lake whose registry has been refreshed once; `people` are all registered."""

    lake: SmallLake
    control: sa.Engine
    people: list[Person]

    def key_of(self, person: Person) -> str:
        return self.lake.key.pseudonym(person.cid)

    def of_visits(self) -> dict[str, str | None]:
        """Of whom each visit's records are held to speak; all of one visit must be of one person."""
        found: dict[str, set[str | None]] = {}
        for key, resolved in self.lake.statements("record_key, resolved_key"):
            found.setdefault(key, set()).add(resolved)
        assert all(len(keys) == 1 for keys in found.values())
        return {record: next(iter(keys)) for record, keys in found.items() if record.startswith("V")}


def told(person: Person, **fields: Any) -> dict[str, Any]:
    """What a patient is asked for where the number doesn't do."""
    said = {"patient_name": person.full_name, "birth_date": person.birth_date, "sex": person.sex}
    return said | {"phone": person.phone} | fields


def issued(person: Person) -> list[Record]:
    names = {"given_name": person.given_name, "family_name": person.family_name or person.given_name}
    said = names | {"birth_date": person.birth_date, "sex": person.sex, "permanent_gewog_code": person.gewog_code}
    return card(f"CID-{person.position}", person.cid, **said)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Iterator[Town]:
    home = tmp_path_factory.mktemp("town")
    people = Population(read_reference(from_environment({}).reference), seed=7, size=CITIZENS).people
    lake = SmallLake(home, contracts)
    with opened(f"sqlite:///{home / 'control.sqlite'}") as control:
        lake.control = control
        lake.send(record for person in people for record in issued(person))
        lake.send(
            record
            for person in people[::2]
            for n in (1, 2)
            for record in visit(f"V{n}-{person.position}", person.cid, f"2025-03-0{n}", "arrived", **told(person))
        )
        lake.send(
            record
            for person in people[:WITHOUT]
            for record in visit(f"V-{person.position}", None, "2025-04-01", "booked", "arrived", **told(person))
        )
        lake.refresh()
        yield Town(lake, control, people)


def test_patients_without_a_number_are_found(town: Town) -> None:
    found = town.of_visits()
    right = [person for person in town.people[:WITHOUT] if found[f"V-{person.position}"] == town.key_of(person)]
    assert len(right) > 0.9 * WITHOUT
    known = {town.key_of(person) for person in town.people}
    wrong = [p for p in town.people[:WITHOUT] if p not in right and found[f"V-{p.position}"] in known]
    assert wrong == []
    links = events(town.control, [Kind.LINKED])
    assert len(links) == 2 * len(right)
    assert {link.model_id for link in links} == {links[0].model_id}
    assert all(link.probability and link.probability >= 0.99 for link in links)
