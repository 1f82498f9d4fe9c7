"""Every form belongs to a consumer that may look something of it up; a form that can't be used says where."""

from pathlib import Path

import pytest

from datacentre.contracts import Contract
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY
from sharing.agreements import load_agreements
from sharing.forms import Form, load_forms

FORMS = load_forms(REPOSITORY / "schemas")
GOOD = "id: f\ntitle: F\nconsumer: jdwnrh\nfields:\n  - {name: n, title: N, attribute: given_name}\n"


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.id)
def test_some_field_can_be_filled_in(form: Form, contracts: dict[str, Contract]) -> None:
    agreement = load_agreements(REPOSITORY / "schemas", contracts)[form.consumer]
    allowed = {attribute for attributes in agreement.lookups.values() for attribute in attributes}
    assert allowed & {field.attribute for field in form.fields}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (GOOD.replace("given_name", "income"), r"f\.yaml:5: .*fields\.0\.attribute"),
        (GOOD.replace("id: f", "id: g"), r"f\.yaml:1: id"),
        (GOOD.replace("title: N, ", ""), r"f\.yaml:5: fields\.0"),
        (GOOD.partition("fields")[0], r"f\.yaml:1: fields"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, wrong: str, told: str) -> None:
    (tmp_path / "forms").mkdir()
    file = tmp_path / "forms" / "f.yaml"
    file.write_text(GOOD)
    assert set(load_forms(tmp_path)) == {"f"}
    file.write_text(wrong)
    with pytest.raises(ContractError, match=told):
        load_forms(tmp_path)
