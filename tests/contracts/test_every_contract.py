"""What every contract must keep to, whoever wrote it."""

import functools
import importlib.resources
import json
import re
import zoneinfo
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml

from datacentre.contracts import Contract, Field, load_contract
from datacentre.contracts.model import BOOKKEEPING
from datacentre.settings import REPOSITORY

SCHEMAS = REPOSITORY / "schemas"
FILES = sorted((SCHEMAS / "contracts").glob("*.yaml"))
STREAMS = {
    "dcrc__cid_issuance",
    "dcrc__census_transfer",
    "jdwnrh__hospital_visit",
    "dot__exit_survey",
    "dot__departures",
    "rcsc__service_feedback",
    "pmo__deliberation_vote",
    "pmo__policy_action",
}
DUCKDB_TYPES = {
    "string": "varchar",
    "integer": "bigint",
    "number": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
    "array": "varchar[]",
}
IDENTIFYING = re.compile(
    r"cid|.*_cids?|(given|family|patient|full)_name|birth_date|phone|email|village|address.*"
    r"|household_number|hospital_number|reason|comment|statement_text"
)
# Lines written for publication: neither names a person.
OPEN_TEXT = {"title", "target_unit"}
# A class, or an escaped sign, optional or counted: means the same in RE2, Python and ECMAScript.
PORTABLE = re.compile(r"\^((\[[A-Za-z0-9 ._-]+\]|\\[+.])(\?|\{[0-9]+(,[0-9]+)?\})?)+\$")
CLOCK = re.compile(r"\b(now|today|current_\w+|random|get_current\w+|transaction_timestamp|uuid)\b", re.IGNORECASE)


loaded = functools.cache(load_contract)


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def document(file: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return parsed


@pytest.fixture
def contract(file: Path) -> Contract:
    return loaded(file, SCHEMAS)


@pytest.fixture
def examples(document: dict[str, Any]) -> dict[str, list[Any]]:
    return {p["name"]: p["examples"] for p in document["schema"][0]["properties"]}


def test_the_streams_of_the_first_country_are_there() -> None:
    assert {file.stem for file in FILES} >= STREAMS


def test_is_valid_by_the_standard(document: dict[str, Any]) -> None:
    schema = importlib.resources.files("open_data_contract_standard").joinpath("schema.json")
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))


def test_bookkeeping_stands_first(contract: Contract) -> None:
    first = contract.fields[: len(BOOKKEEPING)]
    assert tuple(f.name for f in first) == BOOKKEEPING
    assert [f.required for f in first] == [True, True, True, True, False]
    assert contract.field("event_time").allows_date_only
    assert not any(f.is_direct_identifier for f in first)


def test_names_are_unique(contract: Contract) -> None:
    columns = [f.name for f in contract.open_fields] + [str(f.pseudonym_column) for f in contract.pseudonymised]
    rules = [rule.name for rule in contract.record_rules]
    assert len(columns) == len(set(columns))
    assert len(rules) == len(set(rules))


def test_what_identifies_a_person_stays_in_the_vault(contract: Contract) -> None:
    identifying = {f.name for f in contract.fields if IDENTIFYING.fullmatch(f.name) or _is_free_text(f)}
    assert identifying == {f.name for f in contract.identifiers}


def test_each_cid_has_a_pseudonym(contract: Contract) -> None:
    cids = [f for f in contract.fields if re.fullmatch(r"(.*_)?cids?", f.name)]
    assert all(f.pseudonym_column and f.pattern == "^[0-9]{11}$" for f in cids)
    assert all(f.is_direct_identifier for f in contract.pseudonymised)


def test_the_kafka_key_identifies_nobody(contract: Contract) -> None:
    assert contract.field(contract.kafka_key).classification != "direct_identifier"
    assert contract.deletes_by_key or not contract.identifiers or contract.key == "pmo__deliberation_vote"


def test_code_lists_exist(contract: Contract) -> None:
    for field in contract.fields:
        if field.code_list:
            assert (SCHEMAS / "reference" / f"{field.code_list}.csv").exists()
            assert field.allowed


def test_every_field_is_bounded(contract: Contract) -> None:
    for field in contract.fields:
        if field.type == "string":
            assert field.pattern or field.allowed or field.max_length, field.name
        elif field.type == "array":
            assert field.max_length and (field.pattern or field.allowed), field.name
        elif field.type in ("integer", "number"):
            assert field.unit, f"{field.name} has no unit"
            assert field.minimum is not None or field.unit == "as target_unit", field.name
        elif field.type == "date":
            assert field.minimum and field.maximum, field.name


def test_patterns_mean_the_same_everywhere(contract: Contract, examples: dict[str, list[Any]]) -> None:
    database = duckdb.connect()
    for field in contract.fields:
        if field.pattern is None:
            continue
        assert PORTABLE.fullmatch(field.pattern), f"{field.name}: {field.pattern}"
        for text in _probes(examples[field.name]):
            answer = database.execute("select regexp_full_match(?, ?)", [text, field.pattern]).fetchall()
            assert answer == [(re.fullmatch(field.pattern, text) is not None,)], (field.name, text)


def test_examples_keep_to_the_field(contract: Contract, examples: dict[str, list[Any]]) -> None:
    for field in contract.fields:
        assert examples[field.name], f"{field.name} has no example"
        for example in examples[field.name]:
            _assert_fits(field, example)


def test_record_rules_hold_for_the_examples(contract: Contract, examples: dict[str, list[Any]]) -> None:
    database = _record_table(contract, {name: values[0] for name, values in examples.items()})
    for rule in contract.record_rules:
        assert not CLOCK.search(rule.expression), f"{rule.name} reads the clock"
        query = f"select typeof({rule.expression}), {rule.expression} from record"
        kind, holds = database.execute(query).fetchall()[0]
        assert kind == "BOOLEAN", rule.name
        assert holds is not False, rule.name


@pytest.mark.parametrize("zone", ["UTC", "Asia/Thimphu", "America/Los_Angeles"])
@pytest.mark.parametrize(
    ("event_time", "event_date", "holds"),
    [
        (None, "2025-03-04", True),
        (None, "2025-03-06", True),
        (None, "2025-03-07", False),
        ("2025-03-05T23:59:59Z", "2025-03-06", True),
        ("2025-03-06T00:00:01Z", "2025-03-06", False),
        ("1999-01-01T00:00:00Z", "1999-01-01", True),
    ],
)
def test_no_event_is_after_its_broker_time(
    contract: Contract, zone: str, event_time: str | None, event_date: str, holds: bool
) -> None:
    rule = next(r for r in contract.record_rules if r.name == "event_not_after_broker_time")
    database = duckdb.connect()
    database.execute(f"set TimeZone = '{zone}'")
    query = (
        f"select {rule.expression} from (select ?::timestamptz as event_time, ?::date as event_date,"
        " timestamptz '2025-03-05 00:00:00Z' as broker_time)"
    )
    assert database.execute(query, [event_time, event_date]).fetchall() == [(holds,)]


def test_promises_can_be_kept(contract: Contract) -> None:
    assert contract.compatibility == "FULL_TRANSITIVE"
    assert zoneinfo.ZoneInfo(contract.time_zone)
    assert contract.partitions >= 1
    assert 0 < contract.completeness_percent <= 100
    assert contract.freshness_seconds < contract.topic_retention_hours * 3600
    assert contract.topic_retention_hours < contract.lake_retention_days * 24
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", contract.version)


def test_authorities_are_streams_or_systems(contract: Contract) -> None:
    streams = {file.stem for file in FILES}
    for field in contract.fields:
        authority = field.authoritative_source
        assert authority is None or authority in streams or re.fullmatch(r"[a-z]+/[a-z-]+", authority), field.name


def _is_free_text(field: Field) -> bool:
    bounded = field.pattern or field.allowed or field.name in (*BOOKKEEPING, *OPEN_TEXT)
    return field.type == "string" and not bounded


def _probes(examples: list[Any]) -> list[str]:
    texts = [t for example in examples for t in (example if isinstance(example, list) else [example])]
    changed = [f(t) for t in texts for f in (str.lower, str.upper, lambda t: t + "\n", lambda t: t * 50)]
    return [*texts, *changed, "", "\n", "٣" * 11, "ＡＢＣ", "a\u0000b", "ཐིམ་ཕུག"]


def _assert_fits(field: Field, example: Any) -> None:
    values = example if field.type == "array" else [example]
    for value in values:
        if field.allowed:
            assert value in field.allowed, (field.name, value)
        if field.pattern:
            assert re.fullmatch(field.pattern, value), (field.name, value)
        if field.minimum is not None:
            assert value >= field.minimum, (field.name, value)
        if field.maximum is not None:
            assert value <= field.maximum, (field.name, value)
    if field.type in ("string", "array"):
        assert (field.min_length or 0) <= len(example) <= (field.max_length or len(example)), field.name


def _record_table(contract: Contract, record: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    columns = {f.name: DUCKDB_TYPES[f.type] for f in contract.fields}
    columns |= {"event_date": "date", "broker_time": "timestamptz"}
    moment = datetime.fromisoformat(record["event_time"])
    values = record | {"event_date": moment.date(), "broker_time": moment + timedelta(seconds=2)}
    assert values["event_date"] > date(2000, 1, 1)
    declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    database.execute(f"create table record ({declared})")
    marks = ", ".join("?" for _ in columns)
    database.execute(f"insert into record values ({marks})", [values[name] for name in columns])
    return database
