"""A contract that can't be used names its file, its line and its field."""

import re
import shutil
from pathlib import Path

import pytest

from datacentre.contracts import load_contract, load_contracts
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY

KEY = "jdwnrh__hospital_visit"
TEXT = (REPOSITORY / "schemas" / "contracts" / f"{KEY}.yaml").read_text(encoding="utf-8")


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    (folder / "contracts").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "schemas" / "reference", folder / "reference")
    return folder


def write(schemas: Path, text: str, key: str = KEY) -> Path:
    file = schemas / "contracts" / f"{key}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def replaced(old: str, new: str) -> str:
    assert old in TEXT, old
    return TEXT.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def field_block(name: str) -> str:
    found = re.search(rf"      - name: {name}\n(        .*\n)+", TEXT)
    assert found
    return found.group()


def changed(name: str, old: str, new: str) -> str:
    """The contract's text with `old` made `new` inside one field."""
    block = field_block(name)
    assert old in block, old
    return replaced(block, block.replace(old, new, 1))


BAD_FIELDS = {
    "missing description": (
        "phone",
        "        description: Telephone number that the reminder is sent to.\n",
        "",
        "has no description",
    ),
    "missing classification": ("phone", "        classification: direct_identifier\n", "", "classification"),
    "name with capitals": ("phone", "name: phone", "name: Phone", "snake_case"),
    "type outside our set": ("slot_date", "logicalType: date", "logicalType: time", "type 'time' is none of"),
    "broken pattern": ("cid", "^[0-9]{11}$", "^[0-9$", "pattern"),
    "missing code list": ("department_code", "value: department", "value: wards", "no code list"),
    "values not a list": ("sex", "validValues: [F, M, O]", "validValues: F", "must be a list"),
    "no values": ("sex", "validValues:", "values:", "must be a list"),
    "option nobody checks": ("age_years", "minimum: 0", "exclusiveMinimum: 0", "'exclusiveMinimum'"),
}


@pytest.mark.parametrize(("name", "old", "new", "message"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_named_with_its_place(schemas: Path, name: str, old: str, new: str, message: str) -> None:
    text = changed(name, old, new)
    file = write(schemas, text)
    with pytest.raises(ContractError) as caught:
        load_contract(file, schemas)
    told = str(caught.value)
    first = line_of(text, f"- name: {'Phone' if 'Phone' in new else name}\n")
    place = re.match(rf"{re.escape(str(file))}:(\d+): ", told)
    assert place and first <= int(place.group(1)) < first + field_block(name).count("\n"), told
    assert name in told.lower() and message in told


def test_a_type_outside_the_standard_is_named_with_its_line(schemas: Path) -> None:
    text = changed("slot_date", "logicalType: date", "logicalType: day")
    file = write(schemas, text)
    with pytest.raises(ContractError) as caught:
        load_contract(file, schemas)
    assert str(caught.value).startswith(f"{file}:{line_of(text, 'logicalType: day')}: ")
    assert "field 'slot_date': 'day' is not one of" in str(caught.value)


def test_a_field_that_stands_twice(schemas: Path) -> None:
    block = field_block("phone")
    text = replaced(block, block + block)
    file = write(schemas, text)
    with pytest.raises(ContractError, match="field 'phone' stands twice") as caught:
        load_contract(file, schemas)
    second = line_of(text, block) + block.count("\n")
    assert str(caught.value).startswith(f"{file}:{second}: ")


def test_a_property_that_stands_twice(schemas: Path) -> None:
    text = changed("phone", "required: false\n", "required: false\n        required: true\n")
    file = write(schemas, text)
    with pytest.raises(ContractError, match="required: stands twice") as caught:
        load_contract(file, schemas)
    assert str(caught.value).startswith(
        f"{file}:{line_of(text, '        required: true' + chr(10) + '        classification: direct')}: "
    )


BAD_TEXTS = {
    "unit of freshness": (
        replaced("unit: seconds", "unit: minutes"),
        "freshness must be a number of seconds",
    ),
    "freshness as text": (replaced("value: 60\n", "value: '60'\n"), "freshness must be a number of seconds"),
    "no completeness": (
        replaced("property: completeness", "property: coverage"),
        "no service level 'completeness'",
    ),
    "no legal basis": (replaced("property: legalBasis", "property: basis"), "'legalBasis' is missing"),
    "partitions as text": (
        replaced("partitions, value: 4", "partitions, value: four"),
        "'partitions' is missing or not a whole",
    ),
    "key that is no field": (
        replaced("kafkaKey, value: visit_id", "kafkaKey, value: case_id"),
        "kafkaKey 'case_id'",
    ),
    "optional key": (
        replaced("kafkaKey, value: visit_id", "kafkaKey, value: cid"),
        "must be a required string",
    ),
    "other standard": (replaced("apiVersion: v3.1.0", "apiVersion: v3.0.2"), "must be v3.1.0"),
    "other id": (replaced(f"id: {KEY}", "id: jdwnrh__visit"), "must equal the file's name"),
    "no bookkeeping": (replaced(field_block("source"), ""), "the first fields must be event_id, source"),
    "unknown property": (replaced("status: active", "status: active\nowner: x"), "'owner' was unexpected"),
    "not YAML": (replaced("team:", "team: [:"), "not YAML"),
    "impossible date": (replaced("'1990-05-17'", "1990-02-30"), "not YAML: day"),
    "a list": ("- 1\n", "must be a mapping"),
    "empty": ("", "must be a mapping"),
}


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_bad_contract_says_what_is_wrong(schemas: Path, text: str, message: str) -> None:
    file = write(schemas, text)
    with pytest.raises(ContractError) as caught:
        load_contract(file, schemas)
    assert re.match(rf"{re.escape(str(file))}:\d+: ", str(caught.value)), caught.value
    assert message in str(caught.value)


def test_a_file_that_is_not_utf8(schemas: Path) -> None:
    file = write(schemas, TEXT)
    file.write_bytes(b"\xff\xfe" + TEXT.encode())
    with pytest.raises(ContractError, match=KEY):
        load_contract(file, schemas)


def test_a_code_list_without_codes(schemas: Path) -> None:
    (schemas / "reference" / "department.csv").write_text("name\nSurgery\n", encoding="utf-8")
    with pytest.raises(ContractError, match=r"department\.csv:1: a code list needs a column named code"):
        load_contract(write(schemas, TEXT), schemas)


def test_no_contract_at_all(schemas: Path) -> None:
    with pytest.raises(ContractError, match="no contract found"):
        load_contracts(schemas)


def test_a_code_list_is_part_of_the_hash(schemas: Path) -> None:
    file = write(schemas, TEXT)
    before = load_contract(file, schemas)
    again = load_contract(file, schemas)
    with (schemas / "reference" / "department.csv").open("a", encoding="utf-8") as lines:
        lines.write("OPD-NEW,New,outpatient,10,15,Illustrative,true\n")
    after = load_contract(file, schemas)
    assert before.hash == again.hash != after.hash
    assert "OPD-NEW" in (after.field("department_code").allowed or ())


def test_what_the_hospital_has_signed() -> None:
    contract = load_contracts(REPOSITORY / "schemas")[KEY]
    assert contract.schema_tag == f"{KEY}@1.0.0"
    assert (contract.kafka_key, contract.partitions, contract.deletes_by_key) == ("visit_id", 4, True)
    assert [f.name for f in contract.identifiers] == [
        "cid",
        "hospital_number",
        "patient_name",
        "birth_date",
        "phone",
    ]
    assert [f.pseudonym_column for f in contract.pseudonymised] == ["person_key", "hospital_person_key"]
    assert [r.name for r in contract.record_rules][:3] == [
        "event_not_after_broker_time",
        "booking_not_after_slot",
        "identity_present",
    ]
    assert contract.field("slot_minutes").unit == "minutes"
    assert (contract.field("age_years").minimum, contract.field("age_years").maximum) == (0, 120)
