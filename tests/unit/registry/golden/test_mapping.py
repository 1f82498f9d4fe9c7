"""A mapping that the contracts don't bear out is refused with file, line and field."""

from pathlib import Path

import pytest

from datacentre.contracts import Contract
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY
from registry.golden.mapping import load_mapping, mapping_file

_TEXT = mapping_file(REPOSITORY / "schemas").read_text()


@pytest.mark.parametrize(
    ("written", "wrong", "told"),
    [
        ("  rcsc__service_feedback:", "  rcsc__no_such:", "no contract 'rcsc__no_such'"),
        ("number: guardian_cid", "number: guardian", "guardian.number: no field 'guardian' in dcrc__cid_issuance"),
        ("number: guardian_cid", "number: given_name", "'given_name' has no pseudonymColumn"),
        ("          phone: phone", "          phone: age_years", "says.phone: 'age_years' is a integer"),
        ("phone: {rule: newest, authority: jdwnrh/his}", "phone: {rule: newest, authority: dcrc/bcrs}", "jdwnrh/his"),
        ("phone: {rule: newest,", "phone: {rule: loudest,", "attributes.phone.rule"),
        ("values: [registered]", "values: [enlisted]", "'step' never is enlisted"),
        ("to_gewog_code}\n      member", "household_number}\n      member", "is a direct identifier"),
        ("otherwise: permanent_gewog_code", "otherwise: home", "no attribute 'home'"),
        ("  village: {rule", "  hamlet: {rule", "no such attribute"),
    ],
)
def test_it_names_where_it_is_wrong(
    tmp_path: Path, contracts: dict[str, Contract], written: str, wrong: str, told: str
) -> None:
    assert written in _TEXT
    file = mapping_file(tmp_path)
    file.parent.mkdir()
    file.write_text(_TEXT.replace(written, wrong, 1))
    with pytest.raises(ContractError) as refused:
        load_mapping(tmp_path, contracts)
    assert told in str(refused.value)
    assert str(refused.value).startswith(f"{file}:")
