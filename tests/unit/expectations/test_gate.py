"""What the gate holds, what it lets through, and what it says of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa
import pytest

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from expectations.gate import MAX_RECORD_IDS, _remembered_configurations, validate

Record = dict[str, Any] | None
Altered = Callable[..., pa.Table]
Contracts = dict[str, Contract]
Landed = Callable[[Contract, list[Record]], pa.Table]
AsIncrement = Callable[[Contract, pa.Table], pd.DataFrame]
VISIT, SURVEY = "jdwnrh__hospital_visit", "dot__exit_survey"


def test_good_records_pass(contracts: Contracts, visits: Any, landed: Landed, as_increment: AsIncrement) -> None:
    contract = contracts[VISIT]
    verdict = validate(contract, as_increment(contract, landed(contract, visits(120))))
    assert verdict.passed and verdict.failing == ()
    assert verdict.statistics["rows"] == 120
    assert len(verdict.suite_hash) == 64


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("event", "teleported", "event.allowed"),
        ("visit_id", None, "visit_id.required"),
        ("visit_id", "v 1", "visit_id.pattern"),
        ("visit_id", "V-00001\n", "visit_id.pattern"),
        ("age_years", 121, "age_years.range"),
        ("event_id", "e" * 129, "event_id.length"),
        ("schema_version", None, "schema.required"),
    ],
)
def test_a_value_altered_after_the_split_is_held_with_its_record_ids(
    contracts: Contracts,
    visits: Any,
    landed: Landed,
    as_increment: AsIncrement,
    altered: Altered,
    column: str,
    value: object,
    rule: str,
) -> None:
    contract = contracts[VISIT]
    broken = altered(landed(contract, visits(40)), column, {3: value, 10: value})
    verdict = validate(contract, as_increment(contract, broken))
    assert not verdict.passed
    (failure,) = verdict.failing
    assert (failure.name, failure.severity, failure.unexpected_count) == (rule, "critical", 2)
    assert failure.record_ids == ("0:5", "1:1")


def test_rules_over_several_columns_and_over_arrays_are_asked_again(
    contracts: Contracts,
    visits: Any,
    responses: Any,
    landed: Landed,
    as_increment: AsIncrement,
    altered: Altered,
) -> None:
    contract = contracts[VISIT]
    past = altered(landed(contract, visits(4)), "slot_date", {2: pd.Timestamp("2025-05-01").date()})
    (failure,) = validate(contract, as_increment(contract, past)).failing
    assert (failure.name, failure.record_ids) == ("booking_not_after_slot", ("0:1",))
    contract = contracts[SURVEY]
    elsewhere = altered(landed(contract, responses([4, 3])), "dzongkhags_visited", {1: ["BT01", "XX99"]})
    (failure,) = validate(contract, as_increment(contract, elsewhere)).failing
    assert (failure.name, failure.record_ids) == ("dzongkhags_visited.allowed", ("1:0",))


def test_an_event_without_any_date_is_held(
    contracts: Contracts, visits: Any, landed: Landed, as_increment: AsIncrement, altered: Altered
) -> None:
    contract = contracts[VISIT]
    undated = altered(altered(landed(contract, visits(2)), "event_time", {1: None}), "event_date", {1: None})
    (failure,) = validate(contract, as_increment(contract, undated)).failing
    assert (failure.name, failure.record_ids) == ("event_time.required", ("1:0",))


def test_an_offset_that_stands_twice_is_held(
    contracts: Contracts, visits: Any, landed: Landed, as_increment: AsIncrement
) -> None:
    contract = contracts[VISIT]
    rows = landed(contract, visits(6))
    twice = pa.concat_tables([rows, rows.slice(2, 1)])
    verdict = validate(contract, as_increment(contract, twice))
    assert [(f.name, f.record_ids) for f in verdict.failing] == [("batch.unique_offset", ("0:1", "0:1"))]


def test_two_pseudonym_keys_in_one_batch_are_held(
    contracts: Contracts, visits: Any, landed: Landed, as_increment: AsIncrement, altered: Altered
) -> None:
    contract = contracts[VISIT]
    mixed = altered(landed(contract, visits(6)), "pseudonym_key_id", {5: "k2"})
    verdict = validate(contract, as_increment(contract, mixed))
    assert [(f.name, f.note) for f in verdict.critical] == [("batch.one_pseudonym_key", "observed 2")]


def test_deletions_break_no_rule_of_a_record(
    contracts: Contracts, visits: Any, landed: Landed, as_increment: AsIncrement
) -> None:
    contract = contracts[VISIT]
    some = validate(contract, as_increment(contract, landed(contract, [*visits(5), None, None])))
    assert some.passed and some.statistics["deletions"] == 2
    assert validate(contract, as_increment(contract, landed(contract, [None, None]))).passed


def test_a_warning_tells_and_does_not_hold(
    contracts: Contracts, responses: Any, landed: Landed, as_increment: AsIncrement
) -> None:
    contract = contracts[SURVEY]
    rows = landed(contract, responses([5] * 190 + [4] * 5 + [None] * 60))
    verdict = validate(contract, as_increment(contract, rows))
    assert verdict.passed
    names = {f.name for f in verdict.warnings}
    assert names == {"extra.overall_rating_mean", "extra.overall_rating_missing"}


def test_a_batch_that_only_its_distribution_gives_away_is_held(
    contracts: Contracts, responses: Any, landed: Landed, as_increment: AsIncrement
) -> None:
    contract = contracts[SURVEY]
    verdict = validate(contract, as_increment(contract, landed(contract, responses([5] * 200))))
    assert [f.name for f in verdict.critical] == ["extra.overall_rating_stuck"]


def test_a_few_records_are_not_judged_by_their_distribution(
    contracts: Contracts, responses: Any, visits: Any, landed: Landed, as_increment: AsIncrement
) -> None:
    survey, visit = contracts[SURVEY], contracts[VISIT]
    assert validate(survey, as_increment(survey, landed(survey, responses([5] * 99)))).failing == ()
    unplanned = [{k: v for k, v in r.items() if not k.startswith("slot")} for r in visits(90)]
    assert validate(visit, as_increment(visit, landed(visit, unplanned))).failing == ()
    unplanned = [{k: v for k, v in r.items() if not k.startswith("slot")} for r in visits(100)]
    verdict = validate(visit, as_increment(visit, landed(visit, unplanned)))
    assert [f.name for f in verdict.critical] == ["extra.booked_with_slot_lost"]


def test_nothing_of_a_record_but_its_offset_leaves_the_gate(
    contracts: Contracts, visits: Any, landed: Landed, as_increment: AsIncrement, altered: Altered
) -> None:
    contract = contracts[VISIT]
    broken = altered(landed(contract, visits(3000)), "event", dict.fromkeys(range(2500), "SECRET"))
    verdict = validate(contract, as_increment(contract, broken))
    (failure,) = verdict.critical
    assert failure.unexpected_count == 2500
    assert [i for i in failure.record_ids if i.startswith("1:")] == [f"1:{o}" for o in range(MAX_RECORD_IDS)]
    assert "SECRET" not in repr(verdict) and "V-0" not in repr(verdict)


def test_every_rule_of_every_contract_can_be_evaluated(contracts: Contracts, as_increment: AsIncrement) -> None:
    samples: dict[str, Any] = {"string": "x", "int": 1, "double": 1.0, "bool": True}
    for contract in contracts.values():
        row = {
            f.name: next((v for k, v in samples.items() if str(f.type).startswith(k)), None)
            for f in landed_schema(contract)
        }
        rows = [{**row, "is_deleted": False}, {**dict.fromkeys(row), "is_deleted": False}]
        table = pa.Table.from_pylist(rows, schema=landed_schema(contract))
        verdict = validate(contract, as_increment(contract, table))
        assert [f.name for f in verdict.failing if f.note == "could not be evaluated"] == []
        assert "event_id.required" in {f.name for f in verdict.failing}


def test_what_two_threads_remember_at_once_is_forgotten_after_them() -> None:
    """The first to begin ends first: whoever put back what it had found would put back the other's memory."""
    rule = gxe.ExpectColumnValuesToNotBeNull(column="step", mostly=0.5)
    first_in, second_in, first_out = Event(), Event(), Event()

    def first() -> None:
        with _remembered_configurations():
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    def second() -> None:
        assert first_in.wait(10)
        with _remembered_configurations():
            second_in.set()
            assert rule.configuration is rule.configuration
            assert first_out.wait(10)

    with ThreadPoolExecutor(2) as threads:
        assert [done.result() for done in (threads.submit(first), threads.submit(second))] == [None, None]
    rule.mostly = 0.9
    assert rule.configuration.kwargs["mostly"] == 0.9
