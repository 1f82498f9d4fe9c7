"""What is committed is what the contracts say, and a new contract gets its staging model."""

from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from datacentre.contracts import Contract
from datacentre.contracts.generate import drift, generated_files
from datacentre.contracts.json_schema import json_schema
from datacentre.settings import REPOSITORY


@pytest.fixture
def generated(contracts: dict[str, Contract], tmp_path: Path) -> Path:
    for file, text in generated_files(contracts, tmp_path / "dbt", tmp_path / "schemas").items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_committed_files_match_the_contracts(contracts: dict[str, Contract]) -> None:
    assert drift(contracts, REPOSITORY / "dbt_project", REPOSITORY / "schemas") == []


def test_new_contract_is_reported_until_its_files_are_there(contracts: dict[str, Contract], generated: Path) -> None:
    more = contracts | {"dcrc__birth": replace(contracts["dcrc__cid_issuance"], key="dcrc__birth")}
    lines = drift(more, generated / "dbt", generated / "schemas")
    assert [line.rsplit("/", 1)[1] for line in lines] == [
        "contract_streams.sql: differs from the contracts",
        "_sources.yml: differs from the contracts",
        "_staging.yml: differs from the contracts",
        "stg_dcrc__birth.sql: missing",
        "dcrc__birth.json: missing",
    ]


def test_removed_contract_leaves_no_file_unnoticed(contracts: dict[str, Contract], generated: Path) -> None:
    fewer = {key: contract for key, contract in contracts.items() if key != "dot__departures"}
    lines = drift(fewer, generated / "dbt", generated / "schemas")
    assert sum("left over" in line for line in lines) == 2


def test_json_schema_takes_a_good_record_and_refuses_a_bad_one(contracts: dict[str, Contract]) -> None:
    schema = json_schema(contracts["jdwnrh__hospital_visit"])
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    record = {
        "event_id": "e1",
        "source": "jdwnrh/his",
        "event_time": "2024-03-04",
        "schema": contracts["jdwnrh__hospital_visit"].schema_tag,
        "visit_id": "V-100",
        "event": "booked",
        "cid": None,
    }
    assert validator.is_valid(record)
    for wrong in (
        {"event": "slept"},
        {"phone": "12"},
        {"age_years": 121},
        {"colour": "red"},
        {"schema": "x@1"},
    ):
        assert not validator.is_valid(record | wrong), wrong
