"""What an engineer sees of releases, through the commands."""

import json
from pathlib import Path

from sharing.releases.retention import withdraw
from tests.unit.cli.test_errors import one_line, run
from tests.unit.sharing.releases import VISITS, House, visit


def test_releases_are_made_and_listed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    House(tmp_path / "home").publish(**{VISITS: [visit(number) for number in range(12)]})
    made = json.loads(run(tmp_path, "release", "--consumer", "jdwnrh", "--consumer", "pmo", "--json").stdout)
    assert {outcome["stream"]: outcome["interval"] for outcome in made} == {"jdwnrh": "release 1", "pmo": "release 1"}
    withdraw(tmp_path / "home", "pmo")
    listed = json.loads(run(tmp_path, "release", "list", "--json").stdout)
    assert {row["consumer"]: row["is_current"] for row in listed} == {"jdwnrh": True, "pmo": False}
    assert {row["consumer"]: row["rows"] for row in listed} == {"jdwnrh": 12, "pmo": 8}


def test_before_the_first_build_it_says_what_to_do(tmp_path: Path) -> None:
    assert "nothing is released yet" in run(tmp_path, "release", "list").stdout
    failed = run(tmp_path, "release")
    assert failed.returncode == 5
    assert "run datacentre check, then datacentre build" in one_line(failed)
