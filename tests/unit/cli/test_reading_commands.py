"""What engineers do in a consumer's name is permitted and logged as over HTTP."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from datacentre.cli.main import app
from datacentre.control.ranges import OffsetRange
from sharing.access_log.entry import Read
from sharing.access_log.log import AccessLog
from sharing.access_log.verification import entries, verify
from tests.unit.sharing.centre import PEMA, Centre, centre_in
from tests.unit.stages.conftest import STREAM

PURPOSE = "service-evaluation"
LOOKUP = ("lookup", "--cid", "-", "--purpose", "patient-registration", "--json", "--consumer")


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Centre:
    monkeypatch.setenv("DATACENTRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATACENTRE_CONTROL_URL", raising=False)
    return centre_in(tmp_path / "home")


def datacentre(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=given)


def test_an_extract_goes_on_by_the_cursor_in_its_file(centre: Centre, tmp_path: Path) -> None:
    asked = ("extract", STREAM, "--consumer", "rcsc", "--purpose", PURPOSE, "--cursor", str(tmp_path / "cursor"))
    first = [json.loads(line) for line in datacentre(*asked, "--limit", "15").stdout.splitlines()]
    assert [row["is_certified"] for row in first] == [True] * 40 + [False] * 10
    assert datacentre(*asked).stdout == ""
    centre.certify(OffsetRange(0, 40, 50))
    again = [json.loads(line) for line in datacentre(*asked).stdout.splitlines()]
    assert {row["row_id"] for row in again} == {row["row_id"] for row in first[40:]}
    assert all(row["is_certified"] for row in again)


def test_a_lookup_is_permitted_and_seen_by_whom_it_is_of(centre: Centre) -> None:
    known = json.loads(datacentre(*LOOKUP, "jdwnrh", given=f"{PEMA}\n").stdout)
    assert (known[0]["attribute"], known[0]["value"], known[0]["date"]) == ("given_name", "Pema", "2024-05-01")
    assert datacentre(*LOOKUP, "rcsc", given=f"{PEMA}\n").exit_code == 6
    read = json.loads(datacentre("who-read", "--cid", "-", "--json", given=f"{PEMA}\n").stdout)
    assert [(r["consumer"], r["is_refused"]) for r in read] == [("jdwnrh", False), ("rcsc", True)]
    assert verify(centre.settings.home).unsigned == 0


def test_a_number_is_no_argument(centre: Centre) -> None:
    assert datacentre("lookup", "--cid", PEMA, "--consumer", "jdwnrh", "--purpose", "x").exit_code == 2
    assert list(entries(centre.settings.home)) == []


def test_keys_are_made_for_agreed_purposes_and_end(centre: Centre) -> None:
    made = json.loads(datacentre("access-key", "create", "pmo", "--purpose", "survey-trial", "--json").stdout)
    states = {key["id"]: key["state"] for key in json.loads(datacentre("access-key", "list", "--json").stdout)}
    assert states[made["id"]] == "valid"
    assert datacentre("access-key", "revoke", made["id"]).exit_code == 0
    states = {key["id"]: key["state"] for key in json.loads(datacentre("access-key", "list", "--json").stdout)}
    assert states[made["id"]] == "revoked"
    assert datacentre("access-key", "create", "pmo", "--purpose", "curiosity").exit_code == 2
    assert datacentre("access-key", "create", "nobody", "--purpose", "survey-trial").exit_code == 2


def test_the_log_is_listed_and_checked(centre: Centre, tmp_path: Path) -> None:
    log = AccessLog(centre.settings.home)
    log.write([Read("rcsc", "k", PURPOSE, "rows", "m"), Read("pmo", "k", PURPOSE, "rows", "m", denied="not given")])
    log.settle()
    listed = json.loads(datacentre("audit", "list", "--denied", "--json").stdout)
    assert [entry["read"]["consumer"] for entry in listed] == ["pmo"]
    checkpoint = tmp_path / "head.json"
    checkpoint.write_text(datacentre("audit", "head").stdout)
    assert datacentre("audit", "verify", "--checkpoint", str(checkpoint)).exit_code == 0
    file = next(centre.settings.home.glob("access/*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b"rcsc", b"pmo "))
    assert datacentre("audit", "verify").exit_code == 5
