"""The simulated country hangs together: the same people, cases and flights across its streams."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.sources.simulation import DefectShares, generate
from connectors.sources.simulation.population import Population
from connectors.sources.simulation.reference import read_reference
from datacentre.contracts import load_contracts
from datacentre.settings import REPOSITORY

REFERENCE = REPOSITORY / "schemas" / "reference"
LISTS = read_reference(REFERENCE)
UNTIL = datetime(2025, 11, 19, 9, 30, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Thimphu")

Values = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def streams() -> Values:
    contracts = load_contracts(REPOSITORY / "schemas")
    values: Values = defaultdict(list)
    for record in generate(contracts, REFERENCE, 3, 30_000, UNTIL, DefectShares(), days=90, citizens=4_000):
        values[record.stream].append(json.loads(record.value or b""))
    return values


def local(value: dict[str, Any]) -> datetime:
    """On the country's clock; the day's begin where only the day is known."""
    at = datetime.fromisoformat(value["event_time"])
    return at.astimezone(ZONE) if at.tzinfo else at.replace(tzinfo=ZONE)


def cases(values: list[dict[str, Any]], key: str) -> list[list[dict[str, Any]]]:
    """The events of each case, in the order they arrived."""
    by_key: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for value in values:
        by_key[value[key]].append(value)
    return list(by_key.values())


def test_moved_citizens_visit_the_hospital_after_their_transfer_is_registered(streams: Values) -> None:
    registered = {v["applicant_cid"]: local(v) for v in streams["dcrc__census_transfer"] if v["step"] == "registered"}
    visits = [v for v in streams["jdwnrh__hospital_visit"] if v.get("cid") in registered]
    assert sum(local(v) > registered[v["cid"]] for v in visits) > 20


def test_a_registered_move_is_where_the_next_application_starts_from(streams: Values) -> None:
    home: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    checked = 0
    for value in streams["dcrc__census_transfer"]:
        cid = value["applicant_cid"]
        if value["step"] == "submitted" and cid in home:
            assert value["from_gewog_code"] == home[cid]
            checked += 1
        if value["step"] == "submitted":
            members[value["application_id"]] = [cid, *value["member_cids"]]
        if value["step"] == "registered":
            home.update((moved, value["to_gewog_code"]) for moved in members[value["application_id"]])
    assert checked > 0


def test_a_transfer_crosses_a_dzongkhag_border(streams: Values) -> None:
    dzongkhag = LISTS.dzongkhag_of
    for value in streams["dcrc__census_transfer"]:
        assert dzongkhag[value["from_gewog_code"]] != dzongkhag[value["to_gewog_code"]]


def test_feedback_on_an_application_comes_after_its_end_and_names_its_service(streams: Values) -> None:
    last = {case[0]["application_id"]: case[-1] for case in cases(streams["dcrc__cid_issuance"], "application_id")}
    linked = [v for v in streams["rcsc__service_feedback"] if v.get("application_id") in last]
    assert len(linked) > 100
    for value in linked:
        closing = last[value["application_id"]]
        assert closing["step"] in ("handed_over", "rejected", "withdrawn")
        assert local(value) > local(closing)
        assert value["service_code"] == f"cid-{closing['application_type']}"
        assert value["office_code"] == closing["office_code"]


def test_slow_cases_are_rated_lower(streams: Values) -> None:
    ended = {case[0]["application_id"]: case for case in cases(streams["dcrc__cid_issuance"], "application_id")}
    rated: dict[bool, list[int]] = {True: [], False: []}
    for value in streams["rcsc__service_feedback"]:
        case = ended.get(value.get("application_id"))
        if case and case[-1]["step"] == "handed_over" and case[0]["application_type"] != "correction":
            rated[local(case[-1]) - local(case[0]) > timedelta(days=9)].append(value["rating"])
    assert _mean(rated[True]) < _mean(rated[False]) - 0.3


def test_respondents_were_counted_on_their_flight(streams: Values) -> None:
    seats: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for value in streams["dot__departures"]:
        seats[value["flight_number"], value["nationality_group"], value["purpose"]] += value["passengers"]
    for value in streams["dot__exit_survey"]:
        cell = value["flight_number"], value["nationality_group"], value["purpose"]
        assert seats[cell] > 0, cell
        seats[cell] -= 1


def test_tourists_leave_in_their_seasons(streams: Values) -> None:
    people: defaultdict[int, int] = defaultdict(int)
    for value in streams["dot__departures"]:
        people[local(value).month] += value["passengers"]
    assert people[10] > 1.2 * people[9]


def test_the_counter_works_in_office_hours_only(streams: Values) -> None:
    for value in streams["dcrc__cid_issuance"] + streams["dcrc__census_transfer"]:
        if value.get("actor_role") not in ("clerk", "supervisor") or len(value["event_time"]) == 10:
            continue
        at = local(value)
        assert at.weekday() < 5, value
        assert 9 <= at.hour < 17, value
        assert at.date() not in LISTS.holidays, value


def test_steps_of_a_case_follow_each_other_and_some_cases_end_otherwise(streams: Values) -> None:
    ends: defaultdict[str, int] = defaultdict(int)
    for case in cases(streams["dcrc__cid_issuance"], "application_id"):
        assert [value["step"] for value in case].count("submitted") == 1
        assert case[0]["step"] == "submitted"
        ends[case[-1]["step"]] += 1
    assert ends["handed_over"] > 500
    assert ends["rejected"] > 5
    assert ends["withdrawn"] > 5


def test_a_new_card_number_is_unknown_until_approved(streams: Values) -> None:
    for value in streams["dcrc__cid_issuance"]:
        if value["application_type"] == "first" and value["step"] != "approved":
            assert value.get("cid") is None


def test_no_shows_rise_with_the_lead_time(streams: Values) -> None:
    missed: dict[bool, list[int]] = {True: [], False: []}
    for case in cases(streams["jdwnrh__hospital_visit"], "visit_id"):
        ends = {value["event"] for value in case} & {"arrived", "no_show"}
        if case[0]["event"] == "booked" and ends:
            lead = date.fromisoformat(case[0]["slot_date"]) - local(case[0]).date()
            missed[lead.days > 12].append("no_show" in ends)
    assert min(map(len, missed.values())) > 100
    assert _mean(missed[True]) > _mean(missed[False]) + 0.05


def test_patients_come_to_the_slot_they_booked_last(streams: Values) -> None:
    for case in cases(streams["jdwnrh__hospital_visit"], "visit_id"):
        slots = [v["slot_date"] for v in case if v["event"] in ("booked", "moved")]
        arrivals = [v for v in case if v["event"] == "arrived"]
        if slots and arrivals:
            assert local(arrivals[0]).date().isoformat() == slots[-1] == arrivals[0]["slot_date"]


def test_every_statement_is_introduced_before_it_is_voted_on(streams: Values) -> None:
    known: set[tuple[str, str]] = set()
    for value in streams["pmo__deliberation_vote"]:
        statement = value["conversation_id"], value["statement_id"]
        assert ("statement_text" in value) == (statement not in known)
        known.add(statement)


def test_revisions_of_a_policy_count_up(streams: Values) -> None:
    for case in cases(streams["pmo__policy_action"], "action_id"):
        assert [value["revision"] for value in case] == list(range(1, len(case) + 1))
        assert case[0]["status"] == "planned"


def _mean(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers)


def test_some_patients_come_without_their_number_and_some_numbers_are_mistyped(streams: Values) -> None:
    told = [v for v in streams["jdwnrh__hospital_visit"] if v["event"] in ("booked", "arrived")]
    without = [v for v in told if "cid" not in v]
    assert 0.02 < len(without) / len(told) < 0.04
    assert all({"patient_name", "birth_date", "phone", "sex"} <= v.keys() for v in without)
    citizens = {person.cid for person in Population(LISTS, 3, 4_000).people}
    strange = [v for v in told if v.get("cid", "") not in citizens and "cid" in v]
    assert 0.012 < len(strange) / len(told) < 0.028
    assert all({"patient_name", "birth_date", "phone", "sex"} <= v.keys() for v in strange)
