"""Patients without a number, or with a wrong one, in a town whose citizens are all registered."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from small_lake import VISIT, Record, SmallLake, card, visit

from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.reference import read_reference
from datacentre.contracts import Contract
from datacentre.control.identity import Event, Kind, append, events
from datacentre.control.identity_state import fold, places_of
from datacentre.control.store import opened
from datacentre.settings import from_environment
from datacentre.stages.identity import open_reviews, review_sides, split
from lake.erase import find_traces
from lake.person import Person as Citizen
from lake.person import patterns_of
from registry.golden.refresh import Refreshed, begin_anew
from registry.golden.store import reading

CITIZENS, WITHOUT = 800, 60


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
    names = {"given_name": person.given_name, "family_name": person.family_name}
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
            for person in people
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
    assert all(link.probability and link.probability > 0.9999 for link in links)


def test_an_erasure_finds_what_was_linked_to_her(town: Town) -> None:
    found = town.of_visits()
    person = next(p for p in town.people[:WITHOUT] if found[f"V-{p.position}"] == town.key_of(p))
    contract, key = town.lake.contracts[VISIT], town.lake.key
    linked = places_of(town.control, town.key_of(person))
    her = Citizen(town.key_of(person), key, patterns_of([contract]), linked)
    own = find_traces(town.lake.lake, contract, her).own
    hers = town.lake.statements("kafka_offset, stream_key, resolved_key")
    assert set(own[0].tolist()) == {o for o, stream, k in hers if stream == VISIT and k == her.person_key}
    assert len(linked) == 2  # booked and arrived


def test_a_mistyped_number_is_linked_where_nobody_has_it_and_reviewed_where_somebody_has(town: Town) -> None:
    anna, other = town.people[101], town.people[103]
    town.lake.send(visit("V-U", "99999999999", "2025-05-01", "arrived", **told(anna)))
    town.lake.send(visit("V-BROKEN", anna.cid[:-1], "2025-05-01", "arrived", **told(anna)))
    town.lake.send(visit("V-S", other.cid, "2025-05-01", "arrived", **told(anna)))
    town.lake.send(visit("V-R", anna.cid, "2025-05-01", "arrived", **told(anna, patient_name="Somebody Else")))
    town.lake.refresh()
    found = town.of_visits()
    assert found["V-U"] == found["V-BROKEN"] == found["V-R"] == town.key_of(anna)
    assert found["V-S"] not in {town.key_of(anna), town.key_of(other)}
    (review,) = (e for e in fold(events(town.control)).open_reviews.values() if e.other_key == found["V-S"])
    assert {key for key, _ in review.candidates} == {town.key_of(anna), town.key_of(other)}
    assert review.candidates[0][0] == town.key_of(anna)

    append(
        town.control,
        [replace(review, kind=Kind.REVIEW_SAME, who="pema", about=review.number)],
    )
    town.lake.refresh()
    assert town.of_visits()["V-S"] == town.key_of(anna)


def test_the_records_that_follow_in_a_case_go_with_it(town: Town) -> None:
    person = town.people[105]
    booked, arrived, started = visit(
        "V-C", None, "2025-05-02", "booked", "arrived", "consultation_started", **told(person)
    )
    _, key, values = arrived
    only_phone = {name: value for name, value in (values or {}).items() if name not in ("patient_name", "birth_date")}
    town.lake.send([booked])
    town.lake.refresh()
    town.lake.send([(arrived[0], key, only_phone | {"hospital_number": "7"}), started])
    town.lake.refresh()
    assert town.of_visits()["V-C"] == town.key_of(person)


def test_a_case_that_names_her_once_rightly_and_once_wrongly_is_hers(town: Town) -> None:
    person = town.people[106]
    booked, arrived = visit("V-M", person.cid, "2025-05-02", "booked", "arrived", **told(person))
    stream, key, values = booked
    town.lake.send([(stream, key, (values or {}) | {"cid": "99999999998"}), arrived])
    town.lake.refresh()
    assert town.of_visits()["V-M"] == town.key_of(person)
    assert [e.other_key for e in events(town.control)][-1] == town.lake.key.pseudonym("99999999998")


def test_a_split_gives_a_case_a_person_of_its_own_for_good(town: Town) -> None:
    settings = from_environment({"DATACENTRE_HOME": str(town.lake.home)})
    (link, *_) = (e for e in events(town.control, [Kind.LINKED]) if e.person_key == town.key_of(town.people[0]))
    split(settings, town.control, link.number, "pema", "her sister")
    town.lake.refresh()
    own = town.of_visits()[f"V-{town.people[0].position}"]
    assert own not in {None, *(town.key_of(person) for person in town.people)}
    town.lake.send(visit("V-X", None, "2025-05-09", "arrived", **told(town.people[0])))
    town.lake.refresh()
    assert town.of_visits()["V-X"] == town.key_of(town.people[0])
    assert town.of_visits()[f"V-{town.people[0].position}"] == own


def test_a_reviewer_sees_both_sides(town: Town) -> None:
    patient, other = town.people[107], town.people[109]
    town.lake.send(visit("V-T", other.cid, "2025-05-10", "arrived", **told(patient)))
    town.lake.refresh()
    settings = from_environment({"DATACENTRE_HOME": str(town.lake.home)})
    review = open_reviews(town.control)[-1]
    _, (record, *candidates) = review_sides(settings, town.control, review.number)
    assert record.values["full_name"] == patient.full_name
    assert {c.values["full_name"] for c in candidates} == {patient.full_name, other.full_name}


def test_somebody_registered_later_is_found_for_the_visit_before(town: Town) -> None:
    elsewhere = Population(read_reference(from_environment({}).reference), seed=8, size=400)
    stranger = replace(elsewhere.people[399], position=CITIZENS + 399)
    town.lake.send(visit("V-L", None, "2025-05-03", "arrived", **told(stranger)))
    town.lake.refresh()
    founded = town.of_visits()["V-L"]
    assert founded not in {None, town.key_of(stranger)}
    town.lake.send([*issued(stranger), *visit("V-LATER", stranger.cid, "2025-06-01", "arrived", **told(stranger))])
    town.lake.refresh()
    assert town.of_visits()["V-L"] == town.key_of(stranger)
    (merge,) = events(town.control, [Kind.MERGED])
    assert (merge.other_key, merge.person_key) == (founded, town.key_of(stranger))


def test_who_applied_without_a_number_is_known_by_what_she_said_then(town: Town) -> None:
    first = replace(town.people[7], cid="99900000077", given_name="Zeltra Quomi", birth_date="2004-02-03")
    other = town.people[8]
    submitted, *later = issued(replace(first, position=900_002))
    assert submitted[2] is not None
    without = {name: value for name, value in submitted[2].items() if name != "cid"} | {"application_type": "first"}
    seen = visit("V-SEEN", first.cid, "2025-06-01", "arrived", **told(first))
    town.lake.send([(submitted[0], submitted[1], without), *later, *seen])
    town.lake.refresh()
    town.lake.send(visit("V-FIRST", None, "2025-07-01", "arrived", **told(first)))
    town.lake.send(visit("V-TAKEN", first.cid, "2025-07-01", "arrived", **told(other)))
    town.lake.refresh()
    found = town.of_visits()
    assert found["V-FIRST"] == town.key_of(first)
    assert found["V-TAKEN"] not in {town.key_of(first), town.key_of(other)}


def test_merge_then_unmerge_restores_golden_records(town: Town) -> None:
    left, right = town.people[10], town.people[11]

    def golden() -> list[Any]:
        with reading(town.lake.home) as store:
            return [store.find(town.key_of(person)) for person in (left, right)]

    before, statements = golden(), town.lake.statements()
    number = append(town.control, [Event(Kind.MERGED, "pema", "one person", town.key_of(right), town.key_of(left))])
    town.lake.refresh()
    assert golden()[0] == golden()[1]
    assert golden() != before
    append(town.control, [Event(Kind.UNMERGED, "pema", "two after all", about=number)])
    town.lake.refresh()
    assert golden() == before
    assert town.lake.statements() == statements


def test_a_registry_made_anew_finds_the_same_persons(town: Town) -> None:
    told_before, found = events(town.control), town.lake.statements("record_key, named_as, resolved_key")
    begin_anew(town.lake.home)
    town.lake.refresh()
    assert town.lake.statements("record_key, named_as, resolved_key") == found
    assert events(town.control) == told_before


def test_nothing_new_costs_no_match(town: Town) -> None:
    assert town.lake.refresh() == Refreshed(0, 0, 0)
