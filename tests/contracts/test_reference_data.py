"""The reference lists agree with each other and with the census they come from."""

import csv
import re
from collections import Counter
from datetime import date

import pytest

from datacentre.contracts import Contract
from datacentre.settings import REPOSITORY

REFERENCE = REPOSITORY / "schemas" / "reference"
LISTS = sorted(file.stem for file in REFERENCE.glob("*.csv"))
CODE_LISTS = [name for name in LISTS if name != "holiday"]
AGENCIES = {"dcrc", "jdwnrh", "dot", "rcsc", "pmo"}
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with (REFERENCE / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, strict=True))


def test_the_lists_are_there() -> None:
    expected = {"dzongkhag", "gewog", "department", "office", "service", "nationality_group", "holiday"}
    assert expected <= set(LISTS)


@pytest.mark.parametrize("name", LISTS)
def test_each_row_says_where_it_comes_from(name: str) -> None:
    for row in rows(name):
        assert None not in row and None not in row.values(), row
        assert len(row["source"]) >= 10, row
        assert row["is_illustrative"] in ("true", "false"), row
        assert all(value == value.strip() for value in row.values()), row


@pytest.mark.parametrize("name", CODE_LISTS)
def test_codes_are_unique_and_named(name: str) -> None:
    counts = Counter(row["code"] for row in rows(name))
    assert counts.most_common(1)[0][1] == 1
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{2,20}", code) for code in counts)
    assert all(row["name"] for row in rows(name))


def test_dzongkhags() -> None:
    dzongkhags = rows("dzongkhag")
    assert [row["code"] for row in dzongkhags] == [f"BT{n:02}" for n in range(1, 21)]
    assert len({row["iso_code"] for row in dzongkhags}) == 20
    assert all(re.fullmatch(r"BT-([1-4][1-5]|GA|TY)", row["iso_code"]) for row in dzongkhags)
    assert all(re.fullmatch("[\u0f00-\u0fff]+", row["name_dzongkha"]) for row in dzongkhags)
    by_name = {row["name"]: row for row in dzongkhags}
    assert (by_name["Thimphu"]["iso_code"], by_name["Thimphu"]["population_2017"]) == ("BT-15", "138736")
    assert by_name["Gasa"]["population_2017"] == "3952"


def test_gewogs_lie_in_dzongkhags_and_add_up_to_them() -> None:
    gewogs = rows("gewog")
    assert len(gewogs) == 205
    assert all(row["code"][:4] == row["dzongkhag_code"] for row in gewogs)
    for measure in ("population_2017", "households_2017"):
        sums: Counter[str] = Counter()
        for row in gewogs:
            sums[row["dzongkhag_code"]] += int(row[measure])
        assert sums == {row["code"]: int(row[measure]) for row in rows("dzongkhag")}
    assert sum(int(row["population_2017"]) for row in gewogs) == 727_145


def test_offices_lie_in_dzongkhags_and_cover_them() -> None:
    dzongkhags = {row["code"] for row in rows("dzongkhag")}
    offices = rows("office")
    assert {row["dzongkhag_code"] for row in offices} == dzongkhags
    assert {f"DCRC-{code}" for code in dzongkhags} <= {row["code"] for row in offices}
    assert {row["agency"] for row in offices} == AGENCIES


def test_services_have_an_agency_and_a_standard() -> None:
    services = rows("service")
    assert {row["agency"] for row in services} <= AGENCIES
    assert all(0 <= int(row["standard_working_days"]) <= 90 for row in services)
    types = {row["application_type"] for row in services if row["service_group"] == "cid"}
    assert types == {"first", "renewal", "lost", "damaged", "correction"}


def test_each_step_that_ends_nothing_is_followed_by_somebody(contracts: dict[str, Contract]) -> None:
    listed = {(row["stream_key"], row["last_step"]) for row in rows("awaited_step")}
    steps = {(key, step) for key in {key for key, _ in listed} for step in contracts[key].field("step").allowed or ()}
    ends = {"handed_over", "registered", "rejected", "withdrawn"}
    assert listed == {(key, step) for key, step in steps if step not in ends}
    assert all(row["is_outside"] == str(row["awaits"] != "office").lower() for row in rows("awaited_step"))


def test_departments_have_a_capacity() -> None:
    departments = rows("department")
    assert {row["kind"] for row in departments} == {"outpatient", "emergency"}
    assert all(int(row["daily_capacity"]) > 0 for row in departments)
    assert all(5 <= int(row["slot_minutes"]) <= 240 for row in departments)


def test_scope_codes_mean_one_thing() -> None:
    """A policy action's scope is a dzongkhag, department, office or service by its code alone."""
    codes = [row["code"] for name in ("dzongkhag", "department", "office", "service") for row in rows(name)]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[A-Za-z0-9-]{2,20}", code) and code != "BT" for code in codes)


def test_holidays() -> None:
    holidays = rows("holiday")
    days = [date.fromisoformat(row["holiday_date"]) for row in holidays]
    assert days == sorted(set(days))
    assert {day.year for day in days} == {2023, 2024, 2025, 2026, 2027}
    for year in range(2023, 2028):
        for month, day in ((2, 21), (2, 22), (2, 23), (5, 2), (11, 1), (11, 11), (12, 17)):
            assert date(year, month, day) in days
    assert all(row["is_illustrative"] == "true" for row in holidays if row["name"].startswith("Losar"))
