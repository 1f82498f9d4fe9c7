"""A person is found by pseudonym, wherever the identifier stands."""

import pytest

from datacentre.contracts import load_contracts
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import REPOSITORY
from lake.person import Person, patterns_of

CID = "11705551234"
KEY = PseudonymKey("k1", b"s" * 32)


@pytest.fixture(scope="module")
def person() -> Person:
    contracts = load_contracts(REPOSITORY / "schemas")
    return Person(KEY.pseudonym(CID), KEY, patterns_of(contracts.values()))


@pytest.mark.parametrize(
    "data",
    [
        CID,
        f"x{CID}y",
        f"99{CID}1",
        f"11705551111\n{CID}",
        '"' + "".join(f"\\u00{ord(d):x}" for d in CID) + '"',
        "1170\\u00355" + CID[6:],
    ],
)
def test_found_in(person: Person, data: str) -> None:
    assert person.holds(data.encode())


@pytest.mark.parametrize("data", ["", "11705551235", CID[:-1], "1170555 1234", "\\u0031"])
def test_not_found_in(person: Person, data: str) -> None:
    assert not person.holds(data.encode())


def test_mask_keeps_the_rest_and_the_length(person: Person) -> None:
    assert person.masked(f'{{"a": "9{CID}", "b": 11705551235}}'.encode()) == b'{"a": "9***********", "b": 11705551235}'
