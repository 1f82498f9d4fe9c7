"""Who is erased leaves the registry, and the bytes of its files."""

import duckdb
import numpy as np
import pytest
from small_lake import CID, DORJI, PEMA, SONAM, TRANSFER, VISIT, SmallLake, card, move, record, visit

from lake.certified_rows import certified_file
from lake.erase import erase_from_vault, find_traces
from lake.person import Person, patterns_of
from registry.golden.forget import forget_person
from registry.golden.refresh import begin_anew
from registry.golden.store import reading
from tests.identifier_search import files_holding

NAME, PHONE, HOSPITAL_NUMBER, VILLAGE = "Pemalhadenzangmo", "+97517553311", "70055123", "Pemavillage"


@pytest.fixture
def peopled(small_lake: SmallLake) -> SmallLake:
    first, *later = card("CID-1", PEMA, given_name=NAME, village=VILLAGE)
    small_lake.send([(first[0], first[1], {**(first[2] or {}), "cid": None}), *later, *card("CID-2", DORJI)])
    small_lake.send(move("CT-1", DORJI, "BT0803", member_cids=[PEMA, SONAM], household_number="14-0005-123"))
    about = {"patient_name": NAME, "phone": PHONE, "hospital_number": HOSPITAL_NUMBER}
    small_lake.send(
        [*visit("V-1", PEMA, "2025-03-01", "arrived", **about), *visit("V-2", None, "2025-03-02", "arrived", **about)]
    )
    small_lake.send([record(CID, "CID-3", "CID-3-1", "2025-03-03", step="approved", cid=SONAM, guardian_cid=PEMA)])
    small_lake.refresh()
    return small_lake


def erase(peopled: SmallLake) -> int:
    """As the stage does it: vault first."""
    person = Person(peopled.key.pseudonym(PEMA), peopled.key, patterns_of(peopled.contracts.values()))
    own: dict[str, dict[int, np.ndarray]] = {}
    for stream, contract in peopled.contracts.items():
        if peopled.certified[stream]:
            traces = find_traces(peopled.lake, contract, person)
            erase_from_vault(peopled.lake, contract, person, traces)
            own[stream] = dict(traces.own)
    return forget_person(peopled.home, person.person_key, own, peopled.mapping)


def registry_files_holding(peopled: SmallLake, text: str) -> set[str]:
    return {file for file in files_holding(peopled.home, text) if file.startswith("registry/")}


def test_no_byte_of_her_is_left(peopled: SmallLake) -> None:
    private = (NAME, PHONE, HOSPITAL_NUMBER, VILLAGE)
    assert all(registry_files_holding(peopled, text) for text in private)
    with reading(peopled.home) as open_meanwhile:  # as a service does; it keeps the write-ahead log in place
        assert open_meanwhile.find(peopled.key.pseudonym(PEMA)) is not None
        peopled.send(visit("V-3", PEMA, "2025-03-05", "arrived", phone=PHONE))
        peopled.refresh()
        # Three steps, three visits, one without her number, a transfer twice, and a child's card.
        assert erase(peopled) == 9
        assert open_meanwhile.find(peopled.key.pseudonym(PEMA)) is None
        assert {text: registry_files_holding(peopled, text) for text in private} == {text: set() for text in private}
    key = peopled.key.pseudonym(PEMA)
    assert [row for row in peopled.statements("person_key, resolved_key") if key in row] == []


def test_what_she_was_asked_goes_too(peopled: SmallLake) -> None:
    assert {"CID-1", "V-1", "CID-2"} <= asked_cases(peopled)
    erase(peopled)
    peopled.refresh()
    assert asked_cases(peopled) & {"CID-1", "V-1", "CID-2"} == {"CID-2"}


def asked_cases(peopled: SmallLake) -> set[str]:
    with duckdb.connect(str(certified_file(peopled.home / "marts")), read_only=True) as copy:
        return {key for (key,) in copy.execute("select record_key from asked_field").fetchall()}


def test_others_keep_what_is_theirs(peopled: SmallLake) -> None:
    before = [peopled.person(cid) for cid in (DORJI, SONAM)]
    erase(peopled)
    assert [peopled.person(cid) for cid in (DORJI, SONAM)] == before
    with reading(peopled.home) as store:
        members = store.household(str(before[0] and before[0].household_key))
    assert {m.person_key for m in members} == {peopled.key.pseudonym(cid) for cid in (DORJI, SONAM)}


def test_neither_a_build_anew_nor_another_step_of_her_case_brings_her_back(peopled: SmallLake) -> None:
    erase(peopled)
    others = peopled.statements()
    peopled.send(
        [
            record(CID, "CID-2", "CID-2-9", "2025-04-01", step="printed"),
            record(TRANSFER, "CT-1", "CT-1-9", "2025-04-01", step="registered"),
        ]
    )
    peopled.refresh()
    assert peopled.person(PEMA) is None
    begin_anew(peopled.home)
    peopled.refresh()
    assert peopled.person(PEMA) is None
    key = peopled.key.pseudonym(PEMA)
    assert [row for row in peopled.statements("person_key, resolved_key") if key in row] == []
    assert {row[:3] for row in others} <= {row[:3] for row in peopled.statements()}
    assert VISIT in peopled.certified


def test_it_may_be_repeated(peopled: SmallLake) -> None:
    erase(peopled)
    assert erase(peopled) == 0
