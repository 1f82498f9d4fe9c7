"""Every message of the decode corpus goes where RFC 8259 and the contract say, and names what it broke."""

import pytest

from bench.decode.case import KEY, STREAM, Case
from bench.decode.corpus import corpus
from bench.decode.placing import Placed, place, splitter
from connectors.sink.split import Splitter
from datacentre.contracts import Contract

CASES = corpus()
by_name = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@pytest.fixture(scope="module")
def check(contracts: dict[str, Contract]) -> Splitter:
    return splitter(contracts[STREAM])


@pytest.fixture(scope="module")
def together(check: Splitter) -> dict[str, Placed]:
    """All cases in one batch, so that a bad message may spoil its neighbours."""
    places = place(check, [(KEY, case.value) for case in CASES])
    return {case.name: found for case, found in zip(CASES, places, strict=True)}


@by_name
def test_a_message_breaks_the_expected_rules(together: dict[str, Placed], case: Case) -> None:
    assert together[case.name].rules == case.rules


@by_name
def test_alone_it_is_judged_as_in_company(check: Splitter, together: dict[str, Placed], case: Case) -> None:
    (alone,) = place(check, [(KEY, case.value)])
    assert alone.rules == together[case.name].rules


@pytest.mark.parametrize("case", [c for c in CASES if c.reads and not c.rules], ids=lambda case: case.name)
def test_what_lands_is_what_was_sent(together: dict[str, Placed], case: Case) -> None:
    row = together[case.name].row
    assert {name: row[name] for name in case.reads} == case.reads


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 150


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        (b"ACT\x001", ("record.null_character",)),
        (b"\xff", ("record.key_not_utf8",)),
        (None, ("record.null_key", "record.null_value")),
    ],
)
def test_a_deletion_needs_a_key_that_can_be_one(
    contracts: dict[str, Contract], key: bytes | None, rules: tuple[str, ...]
) -> None:
    good, bad = place(splitter(contracts["jdwnrh__hospital_visit"]), [(b"JDW-000001", None), (key, None)])
    assert good.is_landed
    assert bad.rules == rules
