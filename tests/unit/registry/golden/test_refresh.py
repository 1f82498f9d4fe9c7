"""The registry follows what is certified."""

from small_lake import PEMA, SmallLake, card, visit


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
