"""The registry follows what is certified, whatever happens to it."""

import stat
from dataclasses import replace

import pytest
from small_lake import CID, DORJI, PEMA, SONAM, TRANSFER, VISIT, SmallLake, card, move, record, visit

from registry.golden.refresh import begin_anew
from registry.golden.shelf import shelf_file
from registry.golden.statements import work_file
from registry.golden.store import golden_file, reading


def test_a_person_is_what_her_authorities_confirmed(small_lake: SmallLake) -> None:
    small_lake.send(
        [*card("CID-1", PEMA), *visit("V-1", PEMA, "2025-03-01", "booked", "arrived", phone="+97517000001")]
    )
    small_lake.refresh()
    person = small_lake.person(PEMA)
    assert person is not None
    assert {name: (a.value, a.confidence) for name, a in person.attributes.items()} == {
        "given_name": ("Pema", "authoritative"),
        "family_name": ("Example", "authoritative"),
        "full_name": ("Pema Example", "authoritative"),
        "birth_date": ("1990-05-17", "authoritative"),
        "sex": ("F", "authoritative"),
        "permanent_gewog_code": ("BT1405", "verified"),
        "village": ("Example village", "verified"),
        "residence_gewog_code": ("BT1405", "verified"),
        "phone": ("+97517000001", "authoritative"),
    }
    assert person.attributes["birth_date"].origin.event_id == "CID-1-1"


def test_a_number_that_is_given_late_takes_over_what_was_said_before(small_lake: SmallLake) -> None:
    first, *later = card("CID-1", PEMA)
    small_lake.send([(first[0], first[1], {**(first[2] or {}), "cid": None})])
    small_lake.refresh()
    assert small_lake.person(PEMA) is None
    assert small_lake.statements("person_key, resolved_key, given_name") == [(None, None, "Pema")]
    small_lake.send(later)
    small_lake.refresh()
    assert small_lake.values(PEMA)["given_name"] == "Pema"


@pytest.mark.parametrize("end", ["rejected", "withdrawn"])
def test_an_application_that_was_refused_or_goes_on_registers_nobody(small_lake: SmallLake, end: str) -> None:
    first, second, _ = card("CID-1", PEMA)
    small_lake.send([first])
    small_lake.refresh()
    assert small_lake.person(PEMA) is None
    small_lake.send([second])
    small_lake.refresh()
    assert small_lake.person(PEMA) is not None
    small_lake.send([record(CID, "CID-1", "CID-1-9", "2025-02-01", step=end)])
    small_lake.refresh()
    assert small_lake.person(PEMA) is None


def test_a_number_that_only_the_hospital_knows_may_be_mistyped(small_lake: SmallLake) -> None:
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "arrived", patient_name="Pema"))
    small_lake.refresh()
    assert small_lake.person(PEMA) is None
    assert len(small_lake.statements()) == 1


def test_residence_is_where_the_last_registered_transfer_went(small_lake: SmallLake) -> None:
    small_lake.send([*card("CID-1", PEMA), *move("CT-1", PEMA, "BT0803", "2025-02-01")])
    small_lake.send(move("CT-2", PEMA, "BT0104", "2025-03-01")[:1])
    small_lake.refresh()
    assert small_lake.values(PEMA)["residence_gewog_code"] == "BT0803"
    small_lake.send(move("CT-2", PEMA, "BT0104", "2025-03-01")[1:])
    small_lake.refresh()
    person = small_lake.person(PEMA)
    assert person is not None
    residence = person.attributes["residence_gewog_code"]
    assert (residence.value, residence.origin.event_id) == ("BT0104", "CT-2-2")
    assert residence.because == (
        "the newest of 2 cases confirmed by its authority, dcrc__census_transfer; "
        "taken before dcrc__census_transfer CT-1-2 of 2025-02-01"
    )


def test_who_moves_along_shares_the_household(small_lake: SmallLake) -> None:
    along = {"member_cids": [SONAM, DORJI], "household_number": "14-0005-123"}
    small_lake.send(move("CT-1", PEMA, "BT0803", **along))
    small_lake.refresh()
    people = [small_lake.person(cid) for cid in (PEMA, SONAM, DORJI)]
    assert {p.attributes["residence_gewog_code"].value for p in people if p} == {"BT0803"}
    (household,) = {p.household_key for p in people if p}
    with reading(small_lake.home) as store:
        members = store.household(str(household))
    assert {(m.person_key, m.number, m.since) for m in members} == {
        (small_lake.key.pseudonym(cid), "14-0005-123", "2025-02-10") for cid in (PEMA, SONAM, DORJI)
    }


def test_who_stays_after_all_is_not_moved(small_lake: SmallLake) -> None:
    submitted, registered = move("CT-1", PEMA, "BT0803", member_cids=[SONAM, DORJI], household_number="14-0005-123")
    again = record(TRANSFER, "CT-1", "CT-1-b", "2025-02-10T04:00:00Z", step="origin_verified", member_cids=[SONAM])
    small_lake.send([*card("CID-1", DORJI), submitted, registered])
    small_lake.refresh()
    assert small_lake.values(DORJI)["household_number"] == "14-0005-123"
    small_lake.send([again])
    small_lake.refresh()
    assert small_lake.values(SONAM)["household_number"] == "14-0005-123"
    dorji = small_lake.person(DORJI)
    assert dorji is not None
    assert dorji.attributes["residence_gewog_code"].value == "BT1405"
    assert dorji.attributes["household_number"].confidence == "reported"


def test_a_correction_takes_the_place_of_what_it_corrects(small_lake: SmallLake) -> None:
    small_lake.send(card("CID-1", PEMA))
    small_lake.refresh()
    (_, _, said), *_ = card("CID-1", PEMA, birth_date="1991-05-17")
    # Its id sorts before the wrong one's: that it is the last word isn't why it counts.
    small_lake.send([(CID, "CID-1", {**(said or {}), "event_id": "CID-1-0", "corrects_event_id": "CID-1-1"})])
    small_lake.refresh()
    person = small_lake.person(PEMA)
    assert person is not None
    assert (person.attributes["birth_date"].value, person.conflicts) == ("1991-05-17", ())


def test_a_deleted_case_is_forgotten_and_does_not_come_back(small_lake: SmallLake) -> None:
    small_lake.send([*card("CID-1", PEMA), *card("CID-2", PEMA, "2025-06-01", village="Other village")])
    small_lake.refresh()
    small_lake.send([(CID, "CID-2", None)])
    small_lake.refresh()
    assert small_lake.values(PEMA)["village"] == "Example village"
    small_lake.send(card("CID-2", PEMA, "2025-06-01", village="Other village")[:1])
    small_lake.refresh()
    assert small_lake.values(PEMA)["village"] == "Example village"
    small_lake.send([(CID, "CID-1", None)])
    small_lake.refresh()
    assert small_lake.person(PEMA) is None


def test_what_is_certified_no_longer_leaves_and_what_it_hid_returns(small_lake: SmallLake) -> None:
    small_lake.send(card("CID-1", PEMA))
    small_lake.send([record(CID, "CID-9", "CID-9-1", "2025-01-11", step="withdrawn", corrects_event_id="CID-1-1")])
    small_lake.refresh()
    assert "birth_date" not in small_lake.values(PEMA)
    withdrawn = small_lake.certified[CID].pop()
    small_lake.refresh()
    assert small_lake.values(PEMA)["birth_date"] == "1990-05-17"
    small_lake.certified[CID].append(withdrawn)
    small_lake.certify_again(CID, 0)
    small_lake.refresh()
    assert "birth_date" not in small_lake.values(PEMA)
    assert {number for (number,) in small_lake.statements("certificate_id")} == {3}


def test_nothing_new_is_nothing_done(small_lake: SmallLake) -> None:
    small_lake.send(card("CID-1", PEMA))
    assert small_lake.refresh().written == 1
    done = small_lake.refresh()
    assert (done.rows, done.persons, done.written) == (0, 0, 0)


def test_certificates_that_were_folded_are_nothing_new(small_lake: SmallLake) -> None:
    small_lake.send(card("CID-1", PEMA))
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "booked"))
    small_lake.send(card("CID-2", DORJI))
    small_lake.refresh()
    first, last = small_lake.certified[CID]
    small_lake.certified[CID] = [replace(last, start_offset=first.start_offset)]
    done = small_lake.refresh()
    assert (done.rows, done.persons, done.written) == (0, 0, 0)
    small_lake.send([record(CID, "CID-1", "CID-1-9", "2025-01-12", step="rejected")])
    assert small_lake.refresh().persons == 1
    assert small_lake.person(PEMA) is None and small_lake.person(DORJI) is not None


def test_increments_and_a_build_anew_agree(small_lake: SmallLake) -> None:
    small_lake.send([*card("CID-1", PEMA), *move("CT-1", PEMA, "BT0803", member_cids=[SONAM])])
    small_lake.refresh()
    small_lake.send([*visit("V-1", PEMA, "2025-03-01", "booked", phone="+97517000001"), *card("CID-2", DORJI)])
    small_lake.refresh()
    small_lake.send([(TRANSFER, "CT-1", None), *visit("V-2", DORJI, "2025-03-02", "arrived")])
    small_lake.refresh()
    statements, people = small_lake.statements(), [small_lake.person(cid) for cid in (PEMA, SONAM, DORJI)]
    begin_anew(small_lake.home)
    small_lake.refresh()
    assert small_lake.statements() == statements
    assert [small_lake.person(cid) for cid in (PEMA, SONAM, DORJI)] == people
    assert people[0] is not None and people[1] is None


def test_a_refresh_that_was_cut_short_is_finished_by_the_next(
    small_lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_lake.send(card("CID-1", PEMA))
    small_lake.refresh()
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "arrived", phone="+97517000001"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr("registry.golden.shelf.Shelf.put", killed)
        with pytest.raises(KeyboardInterrupt):
            small_lake.refresh()
    with monkeypatch.context() as cut:
        cut.setattr("registry.golden.refresh.write_documents", killed)
        with pytest.raises(KeyboardInterrupt):
            small_lake.refresh()
    assert "phone" not in small_lake.values(PEMA)
    small_lake.refresh()
    assert small_lake.values(PEMA)["phone"] == "+97517000001"


def test_only_the_owner_may_read_it(small_lake: SmallLake) -> None:
    small_lake.send([*card("CID-1", PEMA), *visit("V-1", PEMA, "2025-03-01", "arrived")])
    small_lake.refresh()
    files = [f(small_lake.home) for f in (work_file, shelf_file, golden_file)]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    assert VISIT in {stream for (stream,) in small_lake.statements("stream_key")}
