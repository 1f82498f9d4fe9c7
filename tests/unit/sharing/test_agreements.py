"""What an agreement may say, and what comes of one that is wrong."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from datacentre.contracts import load_contracts
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY
from sharing.agreements import load_agreements
from sharing.agreements.check import Giveable
from sharing.agreements.load import load_agreement
from sharing.agreements.row_filter import check_row_filter
from sharing.shared_marts import load_shared_marts

SCHEMAS = REPOSITORY / "schemas"
GIVEABLE = Giveable(load_shared_marts(REPOSITORY / "dbt_project"), load_contracts(SCHEMAS))
VISITS = GIVEABLE.marts["fct_hospital_visit"].columns


def document() -> dict[str, Any]:
    return {
        "id": "lab-1",
        "consumer": "lab",
        "title": "Trials",
        "legal_basis": "A clause",
        "valid_from": date(2026, 1, 1),
        "expires": date(2026, 12, 31),
        "pseudonym_scope": "lab",
        "purposes": {"trial": "Compare"},
        "marts": {"fct_hospital_visit": {"purposes": ["trial"], "columns": ["visit_id", "visit_date"]}},
        "streams": {"jdwnrh__hospital_visit": {"purposes": ["trial"], "columns": ["event_id", "event"]}},
        "lookups": {"trial": ["birth_date"]},
    }


def written(folder: Path, said: dict[str, Any]) -> Path:
    file = folder / "lab.yaml"
    file.write_text(yaml.safe_dump(said, sort_keys=False))
    return file


def test_a_good_one_is_read(tmp_path: Path) -> None:
    agreement = load_agreement(written(tmp_path, document()), GIVEABLE)
    assert agreement.marts["fct_hospital_visit"].columns == ("visit_id", "visit_date")
    assert agreement.streams["jdwnrh__hospital_visit"].edge == "certified"
    assert [agreement.is_valid(date(2026, month, day)) for month, day in ((1, 1), (12, 31))] == [True, True]
    assert not agreement.is_valid(date(2027, 1, 1))


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("consumer",), "pmo", "consumer: must equal the file's name 'lab'"),
        (("expires",), date(2025, 1, 1), "expires: is before valid_from"),
        (("expires",), "some day", "expires: "),
        (("pseudonym_scope",), "../other", "pseudonym_scope: "),
        (("owner",), "me", "owner: Extra inputs"),
        (("marts", "fct_nothing"), {"purposes": ["trial"], "columns": ["x"]}, "there is no mart 'fct_nothing'"),
        (("marts", "fct_hospital_visit", "columns"), [], "marts.fct_hospital_visit.columns: "),
        (("marts", "fct_hospital_visit", "columns"), ["cid"], "columns.0: there is no column 'cid'"),
        (("marts", "fct_hospital_visit", "columns"), ["certificate_id"], "'certificate_id' never leaves"),
        (("marts", "fct_hospital_visit", "columns"), ["visit_id", "visit_id"], "columns.1: 'visit_id' stands twice"),
        (("marts", "fct_hospital_visit", "purposes"), ["other"], "there is no purpose 'other'"),
        (("marts", "fct_hospital_visit", "row_filter"), "ward = 'x'", "row_filter: there is no column 'ward'"),
        (("streams", "moh__visit"), {"purposes": ["trial"], "columns": ["x"]}, "there is no stream 'moh__visit'"),
        (("streams", "jdwnrh__hospital_visit", "columns"), ["patient_name"], "there is no column 'patient_name'"),
        (("streams", "jdwnrh__hospital_visit", "columns"), ["kafka_offset"], "'kafka_offset' never leaves"),
        (("streams", "jdwnrh__hospital_visit", "edge"), "raw", "edge: "),
        (("lookups",), {"other": ["birth_date"]}, "lookups.other: there is no purpose"),
        (("lookups", "trial"), ["income"], "lookups.trial.0: there is no attribute 'income'"),
    ],
)
def test_a_wrong_one_is_refused_by_name_and_line(
    tmp_path: Path, place: tuple[str, ...], value: object, told: str
) -> None:
    said = document()
    inside = said
    for part in place[:-1]:
        inside = inside[part]
    inside[place[-1]] = value
    with pytest.raises(ContractError) as problem:
        load_agreement(written(tmp_path, said), GIVEABLE)
    assert told in str(problem.value)
    assert str(problem.value).startswith(f"{tmp_path / 'lab.yaml'}:")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "agreements").mkdir()
    file = written(tmp_path / "agreements", document())
    before = load_agreements(tmp_path, GIVEABLE.contracts)
    file.write_text(file.read_text().replace("Trials", "Other trials, later"))
    after = load_agreements(tmp_path, GIVEABLE.contracts)
    assert (before["lab"].title, after["lab"].title) == ("Trials", "Other trials, later")


@pytest.mark.parametrize(
    "condition",
    [
        "department_code in ('OPD-GEN', 'OPD-EYE')",
        "is_walk_in and not is_no_show",
        "visit_date >= date '2026-01-01' and wait_minutes between 0 and 60",
        "lower(referral) like 'bhu%' or triage is null",
        "year(visit_date) = 2026",
    ],
)
def test_conditions_over_the_marts_columns_are_taken(condition: str) -> None:
    check_row_filter(condition, VISITS)


@pytest.mark.parametrize(
    "condition",
    [
        "visit_id in (select visit_id from other)",
        "exists (from read_csv('/etc/passwd'))",
        "true) or (true",
        "true; drop table t",
        "true group by triage",
        "true -- and nothing else",
        "visit_date = current_date",
        "random() < 0.5",
        "getenv('HOME') = 'x'",
        "triage = $1",
        "row_number() over () < 5",
        "count(*) > 1",
        "triage",
        "triage = 'urgent'",
        "visit_date + 1",
        "t.triage = 1",
        "",
        "case when true then true end",
    ],
)
def test_anything_else_is_no_row_filter(condition: str) -> None:
    with pytest.raises(ContractError):
        check_row_filter(condition, VISITS)
