"""The registry within a build, and by command."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from datacentre.cli.main import app
from datacentre.contracts import Contract
from datacentre.control.alerts import open_alerts
from datacentre.control.certificates import Judgement, Status, certified_by_stream, record
from datacentre.control.outcomes import recent
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.settings import REPOSITORY, Settings, from_environment
from datacentre.stages.backup import FOLDERS
from datacentre.stages.registry import BEHIND, build_registry, keep_registry
from lake.certified_rows import certified_file, follow_certificates
from tests.unit.registry.golden.small_lake import CID, DORJI, PEMA, SONAM, SmallLake, card, move

PASSED = Judgement(Status.PASSED, "", (), "c", "s", 4)
Invoke = Callable[..., str]


@pytest.fixture
def centre(tmp_path: Path, contracts: dict[str, Contract]) -> Settings:
    """A home of which some rows are certified, and nothing else is done."""
    lake = SmallLake(tmp_path, contracts)
    along = {"member_cids": [SONAM], "household_number": "14-0005-123"}
    lake.send([*card("CID-1", PEMA), *card("CID-2", PEMA, "2025-06-01", birth_date="1991-05-17")])
    lake.send(move("CT-1", PEMA, "BT0803", **along))
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path)})
    with opened(settings.control_url) as control:
        for stream, ranges in lake.certified.items():
            for r in ranges:
                record(control, stream, [OffsetRange(0, r.start_offset, r.next_offset)], PASSED)
    return settings


@pytest.fixture
def invoke(centre: Settings, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("DATACENTRE_HOME", str(centre.home))

    def run(*arguments: str, given: str = "", code: int = 0) -> str:
        done = CliRunner().invoke(app, ["registry", *arguments], input=f"{given}\n")
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_the_commands_show_a_person_and_why(invoke: Invoke) -> None:
    assert json.loads(invoke("build", "--json"))["rows_out"] == 2
    shown = json.loads(invoke("show", "--cid", "-", "--json", given=PEMA))
    assert shown["attributes"]["residence_gewog_code"]["value"] == "BT0803"
    assert shown["attributes"]["birth_date"]["because"].startswith("the first of 2 cases confirmed by its authority")
    members = json.loads(invoke("household", "--cid", "-", "--json", given=SONAM))
    assert {(m["number"], m["since"]) for m in members} == {("14-0005-123", "2025-02-10")} and len(members) == 2
    (conflicted,) = json.loads(invoke("conflicts", "--json"))
    assert [(c["attribute"], c["taken"], c["other"]) for c in conflicted["conflicts"]] == [
        ("birth_date", "1990-05-17", "1991-05-17")
    ]
    assert PEMA not in invoke("show", "--cid", "-", given=PEMA) + invoke("conflicts")


def test_what_is_refused_is_told_without_the_number(invoke: Invoke) -> None:
    assert "datacentre registry build" in invoke("conflicts", code=2)
    invoke("build", "--anew")
    assert PEMA not in invoke("show", "--cid", PEMA, code=2)
    told = invoke("show", "--cid", "-", given=DORJI, code=2)
    assert "doesn't know" in told and DORJI not in told


def test_a_registry_that_fails_raises_an_alert_until_it_is_well_again(
    centre: Settings, contracts: dict[str, Contract], tmp_path: Path
) -> None:
    centre.marts.mkdir()
    wrong = tmp_path / "wrong"
    shutil.copytree(REPOSITORY / "schemas", wrong)
    (wrong / "registry" / "person.yaml").write_text("streams: {}\nattributes: {}\n")
    broken = from_environment({"DATACENTRE_HOME": str(centre.home), "DATACENTRE_SCHEMAS": str(wrong)})
    with opened(centre.control_url) as control:
        certified = certified_by_stream(control, contracts)
        follow_certificates(certified_file(centre.marts), centre.lake, contracts, certified)
        keep_registry(broken, control, contracts)
        assert [(a.kind, "person.yaml:1: streams" in a.text) for a in open_alerts(control)] == [(BEHIND, True)]
        keep_registry(centre, control, contracts)
        assert open_alerts(control) == ()
        keep_registry(centre, control, contracts)
        assert [o.rows_out for o in recent(control, "registry")] == [2]  # what did nothing isn't noted


def test_it_is_made_again_and_not_backed_up(centre: Settings) -> None:
    first = build_registry(centre, is_anew=False)
    shutil.rmtree(centre.home / "registry")
    again = build_registry(centre, is_anew=False)
    assert (first.rows_in, first.rows_out) == (again.rows_in, again.rows_out) == (8, 2)
    assert "registry" not in FOLDERS and CID in {path.name for path in (centre.lake / "vault").iterdir()}
