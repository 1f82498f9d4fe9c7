"""One contract, three checks: JSON Schema, the row check and the gate say the same of every record.

JSON Schema knows no rule over several fields, and the gate sees only what has landed: each pair is compared
in what both can see.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import duckdb
import hypothesis.strategies as st
import jsonschema
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from bench.decode.placing import Message, Placed, place, splitter, table_of
from connectors.sink.split import Splitter
from datacentre.contracts import Contract, Field, load_contracts
from datacentre.contracts.json_schema import json_schema
from datacentre.settings import REPOSITORY
from expectations.extra import find_extra
from expectations.gate import validate
from expectations.increment import increment_query
from expectations.landed import as_frame
from tests.contracts.near_records import Record, records

CONTRACTS = load_contracts(REPOSITORY / "schemas")
BATCH = 25
NULL = json.dumps("\0")[1:-1]
by_contract = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
options: dict[str, Any] = {
    "max_examples": 24,
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def checks() -> dict[str, Splitter]:
    return {key: splitter(contract) for key, contract in CONTRACTS.items()}


def messages(contract: Contract, found: Sequence[Record]) -> list[Message]:
    keys = [str(record.get(contract.kafka_key)).encode() for record in found]
    return [(key, json.dumps(record).encode()) for key, record in zip(keys, found, strict=True)]


@by_contract
@settings(**options)
@given(draw=st.data())
def test_a_producer_s_json_schema_finds_the_fields_that_the_row_check_finds(
    checks: dict[str, Splitter], contract: Contract, draw: st.DataObject
) -> None:
    found = draw.draw(st.lists(records(contract), min_size=BATCH, max_size=BATCH))
    validator = jsonschema.Draft202012Validator(json_schema(contract), format_checker=jsonschema.FormatChecker())
    for record, placed in zip(found, place(checks[contract.key], messages(contract, found)), strict=True):
        by_schema, by_row_check = fields_by_schema(validator, record), fields_by_row_check(contract, record, placed)
        if "schema" in by_row_check:  # of another contract's record the row check says no more than that
            by_schema, by_row_check = by_schema & {"schema"}, {"schema"}
        assert by_schema == by_row_check, f"{json.dumps(record)[:1500]}\nrow check: {placed.rules}"


def fields_by_schema(validator: jsonschema.Draft202012Validator, record: Record) -> set[str]:
    """Names of the fields that JSON Schema finds wrong; `record` stands for an unknown one."""
    fields: set[str] = set()
    for error in validator.iter_errors(record):
        match error.validator:
            case "required":
                fields |= set(error.validator_value) - record.keys()
            case "additionalProperties":
                fields.add("record")
            case _:
                fields.add(str(error.absolute_path[0]))
    return fields


def fields_by_row_check(contract: Contract, record: Record, placed: Placed) -> set[str]:
    """Names of the fields that the row check finds wrong, rules over several fields left out."""
    rules = set(placed.rules) - {rule.name for rule in contract.record_rules}
    fields = {rule.partition(".")[0] for rule in rules - {"record.null_character", "record.unknown_contract"}}
    if "record.null_character" in rules:
        fields |= {name for name, value in record.items() if NULL in json.dumps(value)}
    return fields | {"schema"} if "record.unknown_contract" in rules else fields


@by_contract
def test_the_gate_names_the_rules_that_the_row_check_names(checks: dict[str, Splitter], contract: Contract) -> None:
    """Great Expectations takes a second to be asked, so it is asked once, about all records together."""
    found = messages(contract, sampled(contract))
    placed = place(checks[contract.key], found)
    typed = [n for n, one in enumerate(placed) if not any(map(is_about_type, one.rules))]
    landed = splitter(without_rules(contract)).split(table_of([found[n] for n in typed])).landed
    assert landed.num_rows == len(typed) > 100
    expected = {n: {r for r in placed[n].rules if is_asked_again(contract, r)} for n in typed}
    by_gate = rules_by_gate(contract, landed)
    for offset, n in enumerate(typed):
        assert by_gate[offset] == expected[n], f"{found[n]!r:.1500}\nrow check: {placed[n].rules}"
    assert len(set().union(*expected.values())) >= 5, "too few rules were broken to tell"


def sampled(contract: Contract) -> list[Record]:
    found: list[Record] = []

    @settings(**options, phases=[Phase.generate])
    @given(st.lists(records(contract), min_size=BATCH, max_size=BATCH))
    def collect(some: list[Record]) -> None:
        found.extend(some)

    collect()
    return found


def is_about_type(rule: str) -> bool:
    """Whether what broke the rule can't be held by a typed column, so that the gate can't be asked about it."""
    return rule.endswith(".type") or rule.startswith(("record.", "schema."))


def without_rules(contract: Contract) -> Contract:
    """The same types, everything else allowed: what would be in the lake if nobody had checked."""
    return replace(contract, fields=tuple(map(_unbounded, contract.fields)), record_rules=(), earlier=())


def _unbounded(field: Field) -> Field:
    bounds = dict.fromkeys(("allowed", "pattern", "minimum", "maximum", "min_length", "max_length"))
    return replace(field, required=False, **bounds)  # type: ignore[arg-type]


def is_asked_again(contract: Contract, rule: str) -> bool:
    """Direct identifiers aren't in `landed`: rules over them are the row check's alone."""
    identifiers = {field.name for field in contract.identifiers}
    read = {r.name: {name for name in identifiers if name in r.expression} for r in contract.record_rules}
    return not read[rule] if rule in read else rule.partition(".")[0] not in identifiers


def rules_by_gate(contract: Contract, landed: pa.Table) -> dict[int, set[str]]:
    """By offset, the record rules that the gate finds broken."""
    extra = find_extra(contract.key)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        query = increment_query(contract, {} if extra is None else extra.COLUMNS)
        frame = as_frame(connection.sql(query).to_arrow_table())
    broken: dict[int, set[str]] = defaultdict(set)
    for failed in validate(contract, frame).failing:
        if not failed.name.startswith(("batch.", "extra.")):
            assert len(failed.record_ids) == failed.unexpected_count, failed
            for record_id in failed.record_ids:
                broken[int(record_id.partition(":")[2])].add(failed.name)
    return broken
