"""The clock, the chances and the citizens the simulation is made of."""

from collections import Counter
from datetime import UTC, date, datetime
from random import Random
from statistics import median

import pytest

from connectors.sources.simulation.chance import lognormal, weighted
from connectors.sources.simulation.clock import Clock, day_of
from connectors.sources.simulation.hospital import mistyped, no_show_chance
from connectors.sources.simulation.population import Population
from connectors.sources.simulation.reference import read_reference
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY

REFERENCE = REPOSITORY / "schemas" / "reference"
LISTS = read_reference(REFERENCE)
HOLIDAY = date(2025, 11, 11)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2025, 11, 19, 9, 30, tzinfo=UTC), 30, "Asia/Thimphu", {HOLIDAY})


def test_the_period_ends_on_the_local_clock(clock: Clock) -> None:
    assert clock.text(clock.until) == "2025-11-19T15:30:00+06:00"
    assert clock.utc_text(clock.until) == "2025-11-19T09:30:00Z"
    assert clock.day_text[clock.first_day] == "2025-10-20"


def test_utc_text_crosses_midnight_backwards(clock: Clock) -> None:
    assert clock.utc_text(day_of(date(2025, 11, 19)) * 86_400 + 3600) == "2025-11-18T19:00:00Z"


def test_offices_rest_on_weekends_and_holidays(clock: Clock) -> None:
    assert not clock.is_open(day_of(date(2025, 11, 8)))
    assert not clock.is_open(day_of(HOLIDAY))
    assert clock.next_open_day(day_of(date(2025, 11, 8))) == day_of(date(2025, 11, 10))
    assert clock.next_open_day(day_of(HOLIDAY)) == day_of(date(2025, 11, 12))


def test_office_time_jumps_over_nights_and_closed_days(clock: Clock) -> None:
    monday_noon = clock.working_second(day_of(date(2025, 11, 10)) * 86_400 + 12 * 3600)
    assert clock.text(clock.at_office(monday_noon)) == "2025-11-10T12:00:00+06:00"
    assert clock.text(clock.at_office(monday_noon + 8 * 3600)) == "2025-11-12T12:00:00+06:00"


def test_weighted_choice_keeps_the_weights() -> None:
    pick, random = weighted({"a": 3, "b": 1}), Random(1)
    counts = Counter(pick(random.random()) for _ in range(20_000))
    assert counts["a"] / 20_000 == pytest.approx(0.75, abs=0.02)


def test_lognormal_keeps_its_median_and_its_long_tail() -> None:
    draw, random = lognormal(10.0, 0.8), Random(1)
    values = sorted(draw(random.random()) for _ in range(20_000))
    assert median(values) == pytest.approx(10, rel=0.05)
    assert values[int(0.975 * len(values))] == pytest.approx(10 * 2.718 ** (1.96 * 0.8), rel=0.1)


def test_no_show_chance_rises_but_stays_a_chance() -> None:
    chances = [no_show_chance(days) for days in range(0, 100, 5)]
    assert chances == sorted(chances)
    assert 0.04 < chances[0] < chances[-1] < 0.33


def test_a_larger_population_begins_with_the_same_people() -> None:
    small, large = Population(LISTS, 5, 500), Population(LISTS, 5, 2_000)
    assert large.people[: len(small.people)] == small.people
    assert Population(LISTS, 6, 500).people != small.people


def test_citizens_are_spread_as_the_census_counted() -> None:
    people = Population(LISTS, 5, 20_000).people
    home = Counter(LISTS.dzongkhag_of[person.gewog_code] for person in people)
    total = sum(LISTS.dzongkhags.values())
    for code, count in LISTS.dzongkhags.items():
        assert home[code] / len(people) == pytest.approx(count / total, abs=0.02), code


def test_every_citizen_has_a_number_of_their_own_and_an_adult_guardian() -> None:
    population = Population(LISTS, 5, 5_000)
    assert len({person.cid for person in population.people}) == len(population.people)
    today = day_of(date(2025, 11, 19))
    assert all(population.guardian(person).age_years(today) >= 18 for person in population.people)


def test_a_missing_reference_list_is_named() -> None:
    with pytest.raises(ContractError, match=r"gewog\.csv"):
        read_reference(REPOSITORY / "schemas" / "contracts")


def test_a_mistyped_number_is_another_one_of_eleven_digits() -> None:
    chance = Random(1)
    typed = {mistyped("11407000123", chance) for _ in range(500)}
    assert "11407000123" not in typed
    assert all(len(cid) == 11 and cid.isdigit() for cid in typed)
    assert {"11047000123", "11407000120"} <= typed
