"""How an erasure is asked for: the identifier is neither taken as an argument nor shown or kept."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from datacentre.cli.main import app

CID = "11705551234"
REASONS = ["--reason", "asked for it", "--authority", "Court of Thimphu"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATACENTRE_HOME", str(tmp_path))
    monkeypatch.delenv("DATACENTRE_CONTROL_URL", raising=False)
    return tmp_path


def request(*arguments: str, given: str = f"{CID}\n") -> Result:
    return CliRunner().invoke(app, ["erase", "request", *arguments], input=given)


def test_the_identifier_is_kept_nowhere(home: Path) -> None:
    said = request("--cid", "-", *REASONS)
    assert (said.exit_code, said.stdout) == (0, "1\n")
    assert [f.name for f in home.rglob("*") if f.is_file() and CID.encode() in f.read_bytes()] == []


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        (["--cid", CID, *REASONS], "", "--cid -"),
        (["--cid", "-", "--reason", " ", "--authority", "x"], f"{CID}\n", "--reason"),
        (["--cid", "-", "--reason", f"for {CID}", "--authority", "x"], f"{CID}\n", "may not hold"),
        (["--cid", "-", *REASONS], "1170555\n", "look like an identifier"),
        (["--cid", "-", *REASONS], "", "look like an identifier"),
    ],
)
def test_what_is_refused_is_not_repeated(arguments: list[str], given: str, told: str) -> None:
    said = request(*arguments, given=given)
    assert said.exit_code == 2
    assert told in said.stderr
    assert CID not in said.output


def test_an_unknown_request_is_named() -> None:
    said = CliRunner().invoke(app, ["erase", "run", "7"])
    assert said.exit_code == 5
    assert "no erasure request 7" in said.stderr
