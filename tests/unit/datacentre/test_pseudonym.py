"""The pseudonym key is made once and never replaced silently."""

from pathlib import Path

import pytest

from datacentre.errors import ContractError
from datacentre.pseudonym import load_or_create


def key_file(home: Path) -> Path:
    return home / "keys" / "pseudonym.json"


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = load_or_create(tmp_path, is_in_use=False)
    assert load_or_create(tmp_path, is_in_use=True) == key
    assert len(key.secret) == 32
    assert key_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_gone_is_not_replaced_while_the_lake_needs_it(tmp_path: Path) -> None:
    load_or_create(tmp_path, is_in_use=False)
    key_file(tmp_path).unlink()
    with pytest.raises(ContractError, match="restore it from backup"):
        load_or_create(tmp_path, is_in_use=True)
    assert not key_file(tmp_path).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "k1", "secret": ""}', '{"id": "k1", "secret": 7}'])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    key_file(tmp_path).parent.mkdir()
    key_file(tmp_path).write_text(text)
    with pytest.raises(ContractError, match=r"pseudonym\.json"):
        load_or_create(tmp_path, is_in_use=False)
