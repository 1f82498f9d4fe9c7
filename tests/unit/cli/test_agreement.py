"""What an engineer reads of agreements, and how a consumer gets new pseudonyms, through the commands."""

import json
from pathlib import Path

from sharing.pseudonyms import load_scope
from tests.unit.cli.test_errors import one_line, run


def test_every_agreement_is_listed_and_one_is_shown_whole(tmp_path: Path) -> None:
    listed = json.loads(run(tmp_path, "agreement", "check", "--json").stdout)
    assert {"jdwnrh", "pmo", "rcsc"} <= {row["consumer"] for row in listed}
    shown = run(tmp_path, "agreement", "show", "pmo").stdout
    as_json = json.loads(run(tmp_path, "agreement", "show", "pmo", "--json").stdout)
    visits = as_json["marts"]["fct_hospital_visit"]
    assert f"columns  {', '.join(visits['columns'])}" in shown and f"rows     {visits['row_filter']}" in shown


def test_a_rotation_is_for_one_scope_and_keeps_its_reason(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before, other = load_scope(home, "pmo"), load_scope(home, "rcsc")
    told = json.loads(run(tmp_path, "agreement", "rotate", "pmo", "--reason", "a laptop was lost", "--json").stdout)
    after = load_scope(home, "pmo")
    assert told == {"scope": "pmo", "key_id": after.key_id, "consumers": ["pmo"]}
    assert after.key_id != before.key_id and after.keys[-1].reason == "a laptop was lost"
    assert not after.has_crosswalk
    run(tmp_path, "agreement", "rotate", "pmo", "--reason", "the yearly rotation", "--crosswalk")
    assert load_scope(home, "pmo").has_crosswalk
    assert load_scope(home, "rcsc") == other


def test_who_has_no_agreement_is_named(tmp_path: Path) -> None:
    failed = run(tmp_path, "agreement", "rotate", "nobody", "--reason", "x")
    assert failed.returncode == 2
    assert "no agreement with 'nobody'" in one_line(failed)
    assert not (tmp_path / "home" / "keys").exists()
