"""A scope's tokens: its own, the same again, and others after a rotation."""

import hmac
import json
import stat
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datacentre.errors import ContractError
from sharing.pseudonyms import load_scope, rotate_scope, token_sql


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first, again = load_scope(tmp_path, "pmo"), load_scope(tmp_path, "pmo")
    file = tmp_path / "keys" / "scopes" / "pmo.json"
    assert first == again
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_token_is_the_first_half_of_hmac_sha256(tmp_path: Path) -> None:
    scope = load_scope(tmp_path, "pmo")
    whole = hmac.digest(scope.key.secret, b"visit\0V-1", "sha256").hex()
    assert scope.token("visit", "V-1") == whole[:32]


def test_neither_kinds_nor_scopes_join(tmp_path: Path) -> None:
    lab, hospital = load_scope(tmp_path, "pmo"), load_scope(tmp_path, "jdwnrh")
    tokens = {scope.token(kind, "X-1") for scope in (lab, hospital) for kind in ("visit", "case", "person")}
    assert len(tokens) == 6


@settings(max_examples=30, deadline=None)
@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_sql_makes_the_same_tokens(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    scope = load_scope(tmp_path_factory.getbasetemp(), "pmo")
    inner, outer = scope.key.pads()
    with duckdb.connect() as connection:
        given = {"inner": inner, "outer": outer, "kind": "case", "value": value}
        rows = connection.execute(f"select {token_sql('$kind', '$value')}", given).fetchall()
    assert rows == [(scope.token("case", value),)]


def test_rotation_gives_other_tokens_and_keeps_the_old_key(tmp_path: Path) -> None:
    before = load_scope(tmp_path, "pmo")
    after = rotate_scope(tmp_path, "pmo", "a laptop was lost")
    assert after.key_id != before.key_id
    assert after.token("visit", "V-1") != before.token("visit", "V-1")
    assert load_scope(tmp_path, "pmo") == after
    assert after.under(before.key_id).token("visit", "V-1") == before.token("visit", "V-1")
    assert [key.reason for key in after.keys] == ["first use", "a laptop was lost"]


def test_a_rotation_needs_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="say why"):
        rotate_scope(tmp_path, "pmo", " ")


def test_a_key_that_is_gone_is_not_made_anew_under_releases(tmp_path: Path) -> None:
    load_scope(tmp_path, "pmo")
    (tmp_path / "releases" / "pmo" / "1").mkdir(parents=True)
    (tmp_path / "releases" / "pmo" / "1" / "manifest.json").write_text(json.dumps({"pseudonym_scope": "pmo"}))
    (tmp_path / "keys" / "scopes" / "pmo.json").unlink()
    with pytest.raises(ContractError, match="restore it from backup"):
        load_scope(tmp_path, "pmo")


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": [{"id": "s1"}]}'])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys" / "scopes" / "pmo.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(ContractError, match=r"pmo\.json"):
        load_scope(tmp_path, "pmo")


@pytest.mark.parametrize("name", ["", "../pmo", "PMO", "a/b"])
def test_a_scope_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContractError, match="pseudonym scope"):
        load_scope(tmp_path, name)
