"""Each expectation says in words what it demands."""

from datacentre.contracts import Contract
from expectations.demands import demands_of
from expectations.suite import suite_of


def words(contract: Contract) -> dict[str, str]:
    return {d.expectation: d.words for d in demands_of(contract)}


def test_words_come_from_the_contract(contracts: dict[str, Contract]) -> None:
    visit = words(contracts["jdwnrh__hospital_visit"])
    assert visit["visit_id.pattern"] == "It matches ^[A-Z0-9-]{3,40}$ as a whole."
    assert visit["sex.allowed"] == "It is one of: F, M, O."
    assert visit["department_code.allowed"].endswith("codes of the list department.")
    assert visit["booking_not_after_slot"] == "A slot is booked for the day of the booking or a later one."
    survey = words(contracts["dot__exit_survey"])
    assert survey["dzongkhags_visited.length"] == "It has 0 to 20 items."
    assert survey["extra.overall_rating_mean"] == "The mean of overall_rating is 1.5 to 4.9. Asked from 100 values on."
    assert survey["extra.overall_rating_missing"].startswith(
        "Each value of has_overall_rating is true, in at least 80%"
    )


def test_every_expectation_of_every_stream_has_words(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        suite = suite_of(contract)
        measures = [name for rule in contract.batch_rules for name in rule.names]
        assert len(words(contract)) == len(suite.of_batch) + len(suite.of_records) + len(measures)
        untold = [d for d in demands_of(contract) if d.words.lower().startswith("expect") or "{" in d.words[:2]]
        assert untold == []
