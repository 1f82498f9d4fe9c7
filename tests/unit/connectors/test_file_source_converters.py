"""The conversions: what they accept, what they refuse, and that they never guess."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.file_source.converters import converter, of_type
from connectors.sources.file_source.mapping import Step
from datacentre.contracts.model import Field


def step(short: object) -> Step:
    return Step.model_validate(short)


@pytest.mark.parametrize(
    ("short", "text", "value"),
    [
        ("trim", " a ", "a"),
        ("upper", "bt", "BT"),
        ("lower", "BT", "bt"),
        ("integer", "-7", -7),
        ("integer", "007", 7),
        ("whole_number", "29872499824296.0", 29872499824296),
        ("whole_number", "2.9872499824296E+13", 29872499824296),
        ("number", ".5", 0.5),
        ("number", "-1e3", -1000.0),
        ("boolean", " Yes ", True),
        ("boolean", "0", False),
        ("date", "2024-02-29", "2024-02-29"),
        ({"date": "%d/%m/%Y"}, "9/2/2024", "2024-02-09"),
        ({"date": "%d %b %Y"}, "09 Feb 2024", "2024-02-09"),
        ({"list": "|"}, "a | b", ["a", "b"]),
        ("timestamp", "2024-02-09T10:00:00+06:00", "2024-02-09T04:00:00Z"),
        ({"timestamp": {"zone": "Asia/Thimphu"}}, "2024-02-09 10:00:00.5", "2024-02-09T04:00:00.500000Z"),
        ({"timestamp": {"format": "%d.%m.%Y %H", "zone": "UTC"}}, "9.2.2024 10", "2024-02-09T10:00:00Z"),
        ({"timestamp": {"format": "%d %b %Y %H:%M %z"}}, "09 Feb 2024 10:00 +0600", "2024-02-09T04:00:00Z"),
    ],
)  # fmt: skip
def test_accepts(short: object, text: str, value: object) -> None:
    assert converter(step(short)).run(text) == value


@pytest.mark.parametrize(
    ("short", "text"),
    [
        ("integer", "1_000"), ("integer", "5.0"), ("integer", " 5"), ("integer", "\u0665"), ("integer", ""),
        ("whole_number", "39217.84439"), ("whole_number", "9377952927E-5"), ("whole_number", "1e999"),
        ("number", "nan"), ("number", "inf"), ("number", "1e999"), ("number", "1,5"),
        ("boolean", "maybe"),
        ("date", "20240229"), ("date", "2024-2-9"), ("date", "2023-02-29"), ("date", "2024-W01-1"),
        ({"date": "%d/%m/%Y"}, "2024-02-09"), ({"date": "%d/%m/%Y"}, "31/02/2024"),
        ({"date": "%d/%m/%Y"}, "09/02/2024 10:00"),
        ("timestamp", "2024-02-09T10:00:00"), ("timestamp", "2024-02-09"), ("timestamp", "20240209T100000Z"),
        ({"timestamp": {"format": "%H:%M %d.%m.%Y", "zone": "UTC"}}, "25:00 09.02.2024"),
    ],
)  # fmt: skip
def test_refuses(short: object, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        converter(step(short)).run(text)


def test_midnight_in_the_named_zone_is_a_day_whose_clock_nobody_knows() -> None:
    run = converter(step({"timestamp": {
        "format": "%Y-%m-%d %H:%M:%S", "zone": "UTC", "date_at_midnight_in": "Europe/Amsterdam",
    }})).run  # fmt: skip
    assert run("2014-04-10 22:00:00") == "2014-04-11", "summer time"
    assert run("2014-01-10 23:00:00") == "2014-01-11", "winter time"
    assert run("2014-01-10 22:00:00") == "2014-01-10T22:00:00Z"


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_day_comes_back_from_every_format(day: date) -> None:
    for pattern in ("%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "day %d of %m, %Y"):
        assert converter(step({"date": pattern})).run(day.strftime(pattern)) == day.isoformat()


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_every_instant_keeps_its_moment(instant: datetime) -> None:
    local = instant.astimezone(ZoneInfo("Asia/Thimphu"))
    for text in (instant.isoformat(), local.isoformat()):
        found = of_type(Field("slot_at", "timestamp", "A moment.")).run(text)
        assert found.endswith("Z")
        assert datetime.fromisoformat(found) == instant


@pytest.mark.parametrize(
    "short",
    [{"date": {"zone": "UTC"}}, {"trim": {"format": "x"}}, {"timestamp": {"zone": "Thimphu/Asia"}}],
)
def test_options_that_make_no_sense_are_refused(short: object) -> None:
    with pytest.raises(ValueError, match=r"takes no option|unknown time zone"):
        converter(step(short))
