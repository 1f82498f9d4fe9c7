"""Batch rules of a contract: a bad one names its file, its line and its key; a good one needs no new version."""

import re
import shutil
from pathlib import Path

import pytest

from datacentre.contracts import load_contract, load_contracts
from datacentre.contracts.batch_rules import Known, Volume
from datacentre.contracts.versions import unpublished
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY

KEY = "rcsc__service_feedback"
TEXT = (REPOSITORY / "schemas" / "contracts" / f"{KEY}.yaml").read_text(encoding="utf-8")


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REPOSITORY / "schemas", tmp_path / "schemas"))


def rewrite(schemas: Path, old: str, new: str) -> Path:
    file = schemas / "contracts" / f"{KEY}.yaml"
    assert old in TEXT, old
    file.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return file


def read_all(schemas: Path, first: Path) -> None:
    """One file before all others: most mistakes show there, which is quicker."""
    load_contract(first, schemas)
    load_contracts(schemas)


def test_rules_are_read_in_order_with_their_limits() -> None:
    rules = load_contracts(REPOSITORY / "schemas")[KEY].batch_rules
    assert [r.name for r in rules] == [
        "hourly_volume",
        "newest_event",
        "clock_ahead",
        "events_once",
        "case_is_known",
        "rating_drift",
        "services",
    ]
    assert rules[0].measure == Volume("volume", 0.5, 3, 4, 30) and rules[0].severity == "warning"
    assert rules[4].columns == ("application_id",)


def test_a_stream_knows_what_others_look_up_in_it() -> None:
    contracts = load_contracts(REPOSITORY / "schemas")
    assert contracts["dcrc__cid_issuance"].looked_up == ("application_id", "person_key")
    assert contracts["dcrc__census_transfer"].looked_up == ("application_id",)
    assert contracts["pmo__policy_action"].looked_up == ()
    sources = [
        s for c in contracts.values() for r in c.batch_rules if isinstance(r.measure, Known) for s in r.measure.sources
    ]
    assert len(sources) == 4


BAD_RULES = {
    "unknown measure": ("measure: volume", "measure: amount", "'amount'"),
    "no measure": ("{measure: volume, ", "{", "measure"),
    "unknown key": ("at_least: 0.5,", "at_leest: 0.5,", "'at_leest' is not an option of this measure"),
    "missing key": ("weeks: 4, ", "", "weeks"),
    "share above one": (
        "allowance_minutes: 5, at_most: 0.02",
        "allowance_minutes: 5, at_most: 2",
        "less than or equal to 1",
    ),
    "number as text": ("weeks: 4", "weeks: '4'", "valid integer"),
    "unknown severity": ("severity: warning", "severity: error", "severity 'error' is none of critical, warning"),
    "no severity": ("        severity: warning\n", "", "severity None is none of"),
    "another engine": ("engine: great-expectations", "engine: soda", "engine 'soda' is none of datacentre, great-exp"),
    "name twice": ("- name: newest_event", "- name: hourly_volume", "'hourly_volume' stands twice"),
    "critical volume": ("severity: warning", "severity: critical", "an hour is certified before it is over"),
    "unknown column": ("column: service_code", "column: service", "column 'service' is no single open field"),
    "identifier": ("[source, event_id]", "[source, cid]", "column 'cid' is no single open field"),
    "no closed set": ("column: service_code", "column: feedback_id", "'feedback_id' has no closed set of values"),
    "edges on codes": ("column: rating\n", "column: channel\n", "'channel' is no number, so edges don't cut it"),
    "edges fall": ("edges: [2, 3, 4, 5]", "edges: [2, 3, 4, 4]", "edges must ascend"),
    "unknown stream": (
        "[dcrc__cid_issuance.",
        "[dcrc__passport.",
        "'dcrc__passport.application_id' is no landed column",
    ),
    "unknown source column": (
        "issuance.application_id",
        "issuance.cid",
        "'dcrc__cid_issuance.cid' is no landed column",
    ),
    "source without column": ("[dcrc__cid_issuance.application_id", "[dcrc__cid_issuance", "should match pattern"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD_RULES.values(), ids=BAD_RULES)
def test_a_bad_rule_is_named_with_its_place(schemas: Path, old: str, new: str, message: str) -> None:
    file = rewrite(schemas, old, new)
    with pytest.raises(ContractError) as caught:
        read_all(schemas, file)
    told = str(caught.value)
    place = re.match(rf"{re.escape(str(file))}:(\d+): schema\.0\.quality\.\d+", told)
    changed = TEXT[: TEXT.index(old)].count("\n") + 1
    assert place and abs(int(place.group(1)) - changed) <= 9, told
    assert message in told


def test_the_line_of_a_bad_key_is_its_own(schemas: Path) -> None:
    file = rewrite(schemas, "          grace_hours: 1\n", "          grace_hours: 0\n")
    with pytest.raises(ContractError) as caught:
        load_contracts(schemas)
    line = TEXT[: TEXT.index("          grace_hours: 1\n")].count("\n") + 1
    assert str(caught.value).startswith(f"{file}:{line}: ") and "batch rule 'case_is_known'" in str(caught.value)


def test_a_batch_rule_changes_without_a_new_version(schemas: Path) -> None:
    before = load_contract(schemas / "contracts" / f"{KEY}.yaml", schemas)
    file = rewrite(schemas, "weeks: 4", "weeks: 6")
    after = load_contract(file, schemas)
    assert after != before and after.hash == before.hash
    assert unpublished(after, file, schemas) is None
    rewrite(schemas, "name: Citizens' feedback on services", "name: Feedback")
    assert "differs from what was published" in str(unpublished(after, file, schemas))
