"""Every consumer with its real agreement, over HTTP: what it was given, and nothing of any other."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import permutations

import pytest
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from datacentre.contracts import load_contracts
from datacentre.settings import Settings, from_environment
from datacentre.web.api_keys import KeyRing
from sharing.access_keys import access_keys, create_access_key
from sharing.access_log.grouped import GroupedLog
from sharing.access_log.log import AccessLog
from sharing.access_log.verification import entries
from sharing.agreements import load_agreements
from sharing.agreements.model import Agreement
from sharing.api.app import create_app
from sharing.api.desk import Desk
from sharing.shared_marts import load_shared_marts
from sharing.shelves import Shelves, opened_shelves
from tests.unit.sharing.centre import PEMA, write_person
from tests.unit.sharing.releases import House, visit
from tests.unit.stages.conftest import STREAM, lander

SETTINGS = from_environment({})
CONTRACTS = load_contracts(SETTINGS.schemas)
AGREEMENTS: dict[str, Agreement] = load_agreements(SETTINGS.schemas, CONTRACTS)
MARTS, STREAMS = load_shared_marts(SETTINGS.dbt_project), tuple(CONTRACTS)
ASKING = [(c, p) for c, agreement in AGREEMENTS.items() for p in agreement.purposes]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path_factory.mktemp("home"))})
    house = House(settings.home)
    cases = [
        {"stream_key": "dcrc__cid_issuance", "application_id": f"A-{n}", "person_key": f"{n % 7:064x}"}
        for n in range(20)
    ]
    answers = [{"response_id": f"R-{n}", "response_date": date(2026, 2, 1)} for n in range(20)]
    visits = [visit(number) for number in range(20)]
    house.publish(fct_hospital_visit=visits, fct_service_case=cases, fct_exit_survey_response=answers)
    for agreement in AGREEMENTS.values():
        house.compiler().release(agreement, datetime.now(UTC))
    lander(settings, CONTRACTS[STREAM])(0, 0, 20)
    write_person(settings)
    return settings


@pytest.fixture(scope="module")
def keys(settings: Settings) -> dict[str, str]:
    kept, now = access_keys(settings.home), datetime.now(UTC)
    return {c: create_access_key(kept, a, list(a.purposes), 1, now)[1] for c, a in AGREEMENTS.items()}


@pytest.fixture(scope="module")
def client(settings: Settings, keys: dict[str, str]) -> Iterator[TestClient]:
    log = GroupedLog(AccessLog(settings.home))
    with opened_shelves(settings) as shelves, TestClient(_app(shelves, log)) as client:
        yield client
    log.close()


def _app(shelves: Shelves, log: GroupedLog) -> ASGIApp:
    return create_app(Desk(shelves, KeyRing(access_keys(shelves.home)), log))


@pytest.mark.parametrize(("consumer", "purpose"), ASKING)
def test_what_is_answered_is_what_was_agreed(
    client: TestClient, keys: dict[str, str], consumer: str, purpose: str
) -> None:
    agreement, headers = AGREEMENTS[consumer], {"X-API-Key": keys[consumer], "X-Purpose": purpose}
    for mart in (*MARTS, "crosswalk", "../pmo/CURRENT"):
        is_given = mart in agreement.marts and purpose in agreement.marts[mart].purposes
        answer = client.get(f"/v1/marts/{mart}/rows", headers=headers)
        assert (answer.status_code == 200) == is_given, (mart, answer.text)
        if is_given:
            columns = set(agreement.marts[mart].columns)
            assert all(row.keys() <= columns for row in answer.json()["rows"])
    for stream in STREAMS:
        is_given = stream in agreement.streams and purpose in agreement.streams[stream].purposes
        answer = client.get(f"/v1/streams/{stream}/extract", headers=headers)
        assert (answer.status_code == 200) == is_given, (stream, answer.text)
    answer = client.post("/v1/persons/lookup", json={"cid": PEMA}, headers=headers)
    assert (answer.status_code == 200) == bool(agreement.lookups.get(purpose))
    answer = client.post("/v1/forms/patient_registration/prefill", json={"cid": PEMA}, headers=headers)
    assert (answer.status_code == 200) == (consumer == "jdwnrh" and bool(agreement.lookups.get(purpose)))


def everything(client: TestClient, key: str, agreement: Agreement) -> str:
    """All that a consumer can read, as one text."""
    texts = []
    for purpose in agreement.purposes:
        headers = {"X-API-Key": key, "X-Purpose": purpose}
        texts += [client.get(f"/v1/marts/{mart}/rows", headers=headers).text for mart in agreement.marts]
        texts += [client.get(f"/v1/streams/{stream}/extract", headers=headers).text for stream in agreement.streams]
    return "\n".join(texts)


def tokens(text: str) -> set[str]:
    return {word for word in text.split('"') if len(word) == 32 and set(word) <= set("0123456789abcdef")}


def test_no_two_consumers_can_join_what_they_have(client: TestClient, keys: dict[str, str]) -> None:
    had = {consumer: tokens(everything(client, keys[consumer], a)) for consumer, a in AGREEMENTS.items()}
    assert all(had.values())
    for one, other in permutations(AGREEMENTS, 2):
        if AGREEMENTS[one].pseudonym_scope != AGREEMENTS[other].pseudonym_scope:
            assert had[one].isdisjoint(had[other]), (one, other)


def test_rows_outside_a_filter_are_nowhere(client: TestClient, keys: dict[str, str]) -> None:
    text = everything(client, keys["pmo"], AGREEMENTS["pmo"])
    assert "OPD-EYE" in text and "EMG-ADU" not in text
    assert "EMG-ADU" in everything(client, keys["jdwnrh"], AGREEMENTS["jdwnrh"])


def test_every_answer_and_refusal_was_logged(client: TestClient, settings: Settings, keys: dict[str, str]) -> None:
    before = len(list(entries(settings.home)))
    headers = {"X-API-Key": keys["rcsc"], "X-Purpose": "service-evaluation"}
    asked = [client.get(f"/v1/marts/{mart}/rows", headers=headers).status_code for mart in MARTS]
    new = list(entries(settings.home))[before:]
    assert [bool(entry.read.denied) for entry in new] == [status != 200 for status in asked]


def test_raw_identifiers_and_offsets_are_in_no_answer(client: TestClient, keys: dict[str, str]) -> None:
    for consumer, agreement in AGREEMENTS.items():
        text = everything(client, keys[consumer], agreement)
        for raw in ('"V-', '"A-', '"R-', "F-0-", f"{3:064x}", "kafka_", "certificate"):
            assert raw not in text.replace("is_certified", ""), (consumer, raw)
