"""Who gets a release, who keeps the one before, and who loses it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from datacentre.control.outcomes import recent
from datacentre.control.store import opened
from datacentre.errors import AccessDenied, CheckFailed, ContractError
from datacentre.settings import Settings, from_environment
from datacentre.stages.outcome import Outcome
from datacentre.stages.release import PACE, release
from sharing.pseudonyms import rotate_scope
from sharing.releases.release import current_release
from tests.unit.sharing.releases import VISITS, House, visit

CONSUMERS = {"jdwnrh", "pmo", "rcsc"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With agreements that a test may change, and that hold for long."""
    plain = from_environment({"DATACENTRE_HOME": str(tmp_path / "home")})
    plain.home.mkdir()
    own = replace(plain, schemas=shutil.copytree(plain.schemas, tmp_path / "schemas"))
    for consumer in CONSUMERS:
        change(own, consumer, "expires: 2027-12-31", "expires: 2999-12-31")
    return own


@pytest.fixture
def house(settings: Settings) -> House:
    made = House(settings.home)
    made.publish(**{VISITS: [visit(number) for number in range(12)]})
    return made


def change(settings: Settings, consumer: str, old: str, new: str) -> None:
    file = settings.schemas / "agreements" / f"{consumer}.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def by_consumer(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.stream: outcome for outcome in outcomes}


def stored(settings: Settings) -> int:
    with opened(settings.control_url) as control:
        return len(recent(control, "release"))


def test_everybody_gets_one_and_none_where_nothing_is_new(settings: Settings, house: House) -> None:
    first = by_consumer(release(settings))
    assert {consumer: outcome.detail["number"] for consumer, outcome in first.items()} == dict.fromkeys(CONSUMERS, 1)
    assert first["jdwnrh"].rows_out == 12 and first["rcsc"].rows_out == 0
    assert [outcome.detail for outcome in release(settings)] == [{}, {}, {}]
    house.publish(**{VISITS: [visit(number) for number in range(13)]})
    again = by_consumer(release(settings))
    assert again["jdwnrh"].interval == "release 2" and again["rcsc"].detail == {}
    assert stored(settings) == len(first) + sum(bool(outcome.detail) for outcome in again.values())


def test_the_same_terms_are_paced_and_new_ones_are_not(settings: Settings, house: House) -> None:
    release(settings, pace=PACE)
    house.publish(**{VISITS: [visit(number) for number in range(13)]})
    assert [outcome.detail for outcome in release(settings, pace=PACE)] == [{}, {}, {}]
    change(settings, "pmo", "'OPD-GEN', ", "")
    rotate_scope(settings.home, "jdwnrh", "a laptop was lost")
    made = by_consumer(release(settings, pace=PACE))
    assert {consumer for consumer, outcome in made.items() if outcome.detail} == {"jdwnrh", "pmo"}
    house.publish(**{VISITS: [visit(number) for number in range(14)]})
    assert by_consumer(release(settings))["jdwnrh"].interval == "release 3"


def test_only_the_named_consumer_is_looked_at(settings: Settings, house: House) -> None:
    assert by_consumer(release(settings, ["pmo"])).keys() == {"pmo"}
    with pytest.raises(AccessDenied):
        current_release(settings.home, "rcsc")
    with pytest.raises(ContractError, match="no agreement with nobody"):
        release(settings, ["nobody"])


def test_an_agreement_that_ended_takes_the_release_away(settings: Settings, house: House) -> None:
    release(settings)
    change(settings, "pmo", "expires: 2999-12-31", "expires: 2026-01-02")
    (settings.schemas / "agreements" / "rcsc.yaml").unlink()
    ended = by_consumer(release(settings))
    assert ended["pmo"].detail == {"withdrawn": "pmo-2026-1"}
    assert ended["rcsc"].detail == {"withdrawn": "no agreement"}
    for consumer in ("pmo", "rcsc"):
        with pytest.raises(AccessDenied):
            current_release(settings.home, consumer)
    assert current_release(settings.home, "jdwnrh").number == 1
    assert [outcome.detail for outcome in release(settings)] == [{}, {}, {}]


def test_one_that_fails_keeps_its_release_and_stops_nobody(settings: Settings, house: House) -> None:
    release(settings)
    change(
        settings, "pmo", "row_filter: department_code in", "row_filter: visit_id::integer > 0 and department_code in"
    )
    house.publish(**{VISITS: [visit(number) for number in range(13)]})
    outcomes = by_consumer(release(settings))
    assert "DuckDB: ConversionException" in outcomes["pmo"].detail["error"]
    assert "V-" not in outcomes["pmo"].detail["error"]
    assert current_release(settings.home, "pmo").number == 1
    assert outcomes["jdwnrh"].detail["number"] == 2


def test_the_manifest_says_where_the_rows_are_from(settings: Settings, house: House) -> None:
    release(settings)
    origin = current_release(settings.home, "pmo").manifest["from"]
    assert origin["marts_version"] == "centre-00000001.duckdb"
    assert origin["certificates_to"] == 7


def test_nothing_is_released_before_the_first_build(settings: Settings) -> None:
    with pytest.raises(CheckFailed, match="nothing is built yet"):
        release(settings)
