"""What is kept of validations: each for a while, their sums for good."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from datacentre.control.certificates import Judgement, OverlappingCertificate, Status, record
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.control.tables import validation
from datacentre.control.validation_summary import (
    DAY,
    HOUR,
    WHOLE,
    beginning,
    forget_validations,
    summaries,
    summarise,
)
from datacentre.control.validations import Demand, Result, Validation, known_demands, load_validation

STREAM = "rcsc__service_feedback"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DEMANDS = (
    Demand("rating.range", "expect_column_values_to_be_between", "rating", "critical", "It is 1 to 5."),
    Demand("extra.mean", "expect_column_mean_to_be_between", "rating", "warning", "The mean is 2 to 4."),
)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def found(unexpected: int = 0, *others: Result, suite: str = "s1") -> Validation:
    results = (Result("rating.range", 9, unexpected, not unexpected), *others)
    return Validation(suite, DEMANDS, results, not unexpected, 10, 1, 0.25)


def certify(control: sa.Engine, start: int, result: Validation, partitions: int = 1) -> tuple[int, ...]:
    ranges = [OffsetRange(p, start, start + 10) for p in range(partitions)]
    status = Status.PASSED if result.is_passed else Status.HELD
    return record(control, STREAM, ranges, Judgement(status, "as it is", (), "c", result.suite_hash, 1, result))


def test_a_validation_is_found_by_each_of_its_certificates(control: sa.Engine) -> None:
    first = certify(control, 0, found(), partitions=3)
    second = certify(control, 10, found(2, Result("extra.mean", 9, 1, True)))
    for number in first:
        kept = load_validation(control, number)
        assert kept is not None
        assert (kept.certificate_id, kept.last_certificate_id, kept.stream) == (first[0], first[-1], STREAM)
        assert kept.validation == found()
    kept = load_validation(control, second[0])
    assert kept is not None and kept.validation == found(2, Result("extra.mean", 9, 1, True))
    assert load_validation(control, second[0] + 1) is None


def test_a_check_that_was_overtaken_keeps_nothing(control: sa.Engine) -> None:
    certify(control, 0, found())
    with pytest.raises(OverlappingCertificate):
        certify(control, 5, found(3))
    assert summarise(control) == 1


def test_a_result_that_nothing_explains_is_refused(control: sa.Engine) -> None:
    with pytest.raises(ValueError, match=r"doesn't say what \['rating.max'\] demand"):
        certify(control, 0, found(0, Result("rating.max", 9, 0, True)))
    assert summarise(control) == 0


def test_demands_are_told_in_the_newest_words(control: sa.Engine) -> None:
    certify(control, 0, found())
    changed = Demand("rating.range", "expect_column_values_to_be_between", "rating", "warning", "It is 1 to 6.")
    certify(control, 10, Validation("s2", (changed,), (Result("rating.range", 9, 0, True),), True, 10, 0, 0.1))
    assert known_demands(control, STREAM) == {"rating.range": changed, "extra.mean": DEMANDS[1]}


def test_sums_tell_how_often_it_failed_and_when_last(control: sa.Engine) -> None:
    certify(control, 0, found())
    (failed,) = certify(control, 10, found(2))
    assert summarise(control) == 2
    (last,) = certify(control, 20, found(0, Result("extra.mean", 9, 0, True)))
    assert (summarise(control), summarise(control)) == (1, 0)
    for hours in (HOUR, DAY):
        by_name = {s.expectation: s for s in summaries(control, hours, LONG_AGO)}
        assert {name: (s.asked, s.failed, s.rows, s.unexpected) for name, s in by_name.items()} == {
            WHOLE: (3, 1, 30, 0),
            "rating.range": (3, 1, 27, 2),
            "extra.mean": (1, 0, 9, 0),
        }
        assert (by_name[WHOLE].last_met_id, by_name[WHOLE].last_failed_id) == (last, failed)
        assert by_name["extra.mean"].last_failed_at is None


def test_days_outlive_what_is_forgotten(control: sa.Engine) -> None:
    (number,) = certify(control, 0, found())
    summarise(control)
    forget_validations(control, datetime.now(UTC) + timedelta(hours=1))
    assert load_validation(control, number) is None
    assert summaries(control, HOUR, LONG_AGO) == ()
    assert [s.asked for s in summaries(control, DAY, LONG_AGO)] == [1, 1]
    assert summarise(control) == 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.booleans()), max_size=12))
def test_sums_are_those_of_the_validations_however_they_are_taken(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    with opened(f"sqlite:///{tmp_path_factory.mktemp('store') / 'control.sqlite'}") as control:
        expected: dict[datetime, list[int]] = {}
        for place, (unexpected, hour, is_taken) in enumerate(steps):
            (number,) = certify(control, place * 10, found(unexpected))
            at = datetime(2026, 3, 1, 12, 34, tzinfo=UTC) + timedelta(hours=hour)
            with control.begin() as connection:
                moved = validation.update().where(validation.c.certificate_id == number)
                connection.execute(moved.values(validated_at=at))
            sums = expected.setdefault(beginning(at, DAY), [0, 0, 0])
            expected[beginning(at, DAY)] = [sums[0] + 1, sums[1] + bool(unexpected), sums[2] + unexpected]
            if is_taken:
                summarise(control)
        summarise(control)
        days = [s for s in summaries(control, DAY, LONG_AGO) if s.expectation == "rating.range"]
        hours = [s for s in summaries(control, HOUR, LONG_AGO) if s.expectation == "rating.range"]
    assert {s.starts_at: [s.asked, s.failed, s.unexpected] for s in days} == expected
    assert sum(s.asked for s in hours) == len(steps)


def test_an_hour_and_a_day_begin_in_utc() -> None:
    at = datetime.fromisoformat("2026-03-02T05:45:10+06:00")
    assert beginning(at, HOUR).isoformat() == "2026-03-01T23:00:00+00:00"
    assert beginning(at, DAY).isoformat() == "2026-03-01T00:00:00+00:00"
