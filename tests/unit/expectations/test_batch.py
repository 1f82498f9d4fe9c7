"""Each batch rule of the real contracts, met and not met, and asked a second time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sending import Sending, records, weekly

from datacentre.contracts import Contract
from datacentre.control.store import opened

Contracts = dict[str, Contract]
FEEDBACK, SURVEY, VISIT = "rcsc__service_feedback", "dot__exit_survey", "jdwnrh__hospital_visit"
CARD, TRANSFER = "dcrc__cid_issuance", "dcrc__census_transfer"
MONDAY = datetime(2026, 6, 1, 8, 10, tzinfo=UTC)
MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


@pytest.fixture
def feedback(control: sa.Engine, contracts: Contracts) -> Sending:
    return Sending(control, contracts[FEEDBACK])


def send_hour(sending: Sending, key: str, rows: int, at: datetime) -> dict[str, float]:
    """An hour with so many rows, and the one two hours later that makes it be judged; the values measured then."""
    sending.send(records(key, rows), at)
    return {rule: measure.value for rule, measure in sending.send(records(key, 1), at + 2 * HOUR).items()}


def test_an_hour_is_held_against_the_same_hour_of_four_weeks(feedback: Sending) -> None:
    for at, rows in zip(weekly(MONDAY, 4), [38, 44, 36, 42], strict=True):
        assert "hourly_volume" not in send_hour(feedback, FEEDBACK, rows, at)
    assert send_hour(feedback, FEEDBACK, 16, MONDAY + 4 * WEEK)["hourly_volume"] == 16 / 40
    measure = feedback.again(-1)["hourly_volume"]
    assert (measure.at_least, measure.at_most, measure.severity) == (0.5, 3, "warning")
    assert "16 rows in the hour from 2026-06-29 08:00 UTC, usually 40" in measure.of


def test_a_part_of_an_hour_is_not_too_few(feedback: Sending) -> None:
    for at in weekly(MONDAY, 4):
        send_hour(feedback, FEEDBACK, 40, at)
    now = MONDAY + 4 * WEEK
    for minute in range(4):
        assert "hourly_volume" not in feedback.send(records(FEEDBACK, 10), now + minute * MINUTE)
    assert "hourly_volume" not in feedback.send(records(FEEDBACK, 1), now + HOUR)
    assert feedback.send(records(FEEDBACK, 1), now + 2 * HOUR)["hourly_volume"].value == 1


def test_hours_that_are_usually_quiet_are_not_judged(feedback: Sending) -> None:
    for at in weekly(MONDAY, 4):
        send_hour(feedback, FEEDBACK, 29, at)
    assert "hourly_volume" not in send_hour(feedback, FEEDBACK, 1, MONDAY + 4 * WEEK)


def test_hours_of_silence_are_told_when_the_stream_is_back(feedback: Sending) -> None:
    for at in weekly(MONDAY, 4):
        send_hour(feedback, FEEDBACK, 40, at)
    assert feedback.send(records(FEEDBACK, 1), MONDAY + 4 * WEEK + 30 * HOUR)["hourly_volume"].value == 0


@pytest.mark.parametrize(("minutes", "value"), [(61, 61), (59, 59), (-3, 0)])
def test_the_newest_event_is_held_against_the_broker(feedback: Sending, minutes: int, value: float) -> None:
    sent = records(FEEDBACK, 19, event_time=(MONDAY - DAY).isoformat())
    sent += records(FEEDBACK, 1, event_time=(MONDAY - minutes * MINUTE).isoformat())
    measure = feedback.send(sent, MONDAY)["newest_event"]
    assert (measure.value, measure.at_most) == (value, 60)


def test_the_newest_event_of_a_few_is_not_asked(feedback: Sending) -> None:
    assert feedback.send(records(FEEDBACK, 19), MONDAY) == {}


def test_a_date_counts_from_its_end_and_is_ahead_from_its_start_only(feedback: Sending) -> None:
    found = feedback.send(records(FEEDBACK, 60, event_time="2026-06-01"), MONDAY)
    assert (found["newest_event"].value, found["clock_ahead"].value) == (0, 0)
    # The next day begins in Thimphu at 18:00 UTC.
    found = feedback.send(records(FEEDBACK, 60, event_time="2026-05-31"), MONDAY)
    assert found["newest_event"].value == pytest.approx((8 + 6) * 60 + 10)
    assert feedback.send(records(FEEDBACK, 60, event_time="2026-06-02"), MONDAY)["clock_ahead"].value == 1


def test_events_ahead_of_the_broker_are_named(feedback: Sending) -> None:
    sent = records(FEEDBACK, 58, event_time=(MONDAY + 5 * MINUTE).isoformat())
    sent += records(FEEDBACK, 2, event_time=(MONDAY + 6 * MINUTE).isoformat())
    measure = feedback.send(sent, MONDAY)["clock_ahead"]
    assert measure.value == pytest.approx(2 / 60) and measure.value > measure.at_most
    assert measure.rows is not None
    assert measure.rows.to_pylist() == [{"kafka_partition": p, "kafka_offset": 29} for p in (0, 1)]


def test_what_has_landed_before_is_named_and_stays_so(feedback: Sending) -> None:
    sent = records(FEEDBACK, 60)
    assert feedback.send(sent, MONDAY)["events_once"].value == 0
    measure = feedback.send([*sent[:3], *records(FEEDBACK, 57)], MONDAY + 3 * DAY)["events_once"]
    assert measure.value == 3 / 60 > measure.at_most
    assert measure.rows is not None
    assert measure.rows.to_pylist() == [
        {"kafka_partition": 0, "kafka_offset": 30},
        {"kafka_partition": 0, "kafka_offset": 31},
        {"kafka_partition": 1, "kafka_offset": 30},
    ]
    assert feedback.again(0)["events_once"].value == 0
    assert feedback.again(1)["events_once"] == measure


def test_a_repeat_within_an_increment_counts_once(feedback: Sending) -> None:
    sent = records(FEEDBACK, 59)
    assert feedback.send([*sent, sent[0]], MONDAY)["events_once"].value == pytest.approx(1 / 60)


def test_a_feedback_names_a_known_case(control: sa.Engine, contracts: Contracts, feedback: Sending) -> None:
    Sending(control, contracts[CARD]).send(records(CARD, 3, application_id="CID-KNOWN-1"), MONDAY)
    Sending(control, contracts[TRANSFER]).send(records(TRANSFER, 3, application_id="CT-KNOWN-1"), MONDAY)
    known = records(FEEDBACK, 30, application_id="CID-KNOWN-1") + records(FEEDBACK, 30, application_id="CT-KNOWN-1")
    assert feedback.send(known + records(FEEDBACK, 9, application_id=None), MONDAY)["case_is_known"].value == 0
    measure = feedback.send(known[:40] + records(FEEDBACK, 10, application_id="CT-NOBODY-1"), MONDAY)["case_is_known"]
    assert (measure.value, measure.at_most) == (0.2, 0.1)
    assert measure.rows is not None and measure.rows.num_rows == 10


def test_a_source_that_is_late_leaves_nothing_unknown(
    control: sa.Engine, contracts: Contracts, feedback: Sending
) -> None:
    unknown = records(FEEDBACK, 60, application_id="CT-LATER-1")
    assert "case_is_known" not in feedback.send(unknown, MONDAY)  # nothing of either source has landed
    Sending(control, contracts[CARD]).send(records(CARD, 1), MONDAY)
    transfers = Sending(control, contracts[TRANSFER])
    transfers.send(records(TRANSFER, 1), MONDAY - 2 * HOUR)
    assert "case_is_known" not in feedback.again(0)  # one has not come so far yet
    transfers.send(records(TRANSFER, 1), MONDAY - HOUR)
    assert feedback.again(0)["case_is_known"].value == 1
    transfers.send(records(TRANSFER, 1, application_id="CT-LATER-1"), MONDAY)
    assert feedback.again(0)["case_is_known"].value == 0


def test_the_applicant_of_a_transfer_has_a_card(control: sa.Engine, contracts: Contracts) -> None:
    Sending(control, contracts[CARD]).send(records(CARD, 1, cid="11913000065"), MONDAY)
    transfers = Sending(control, contracts[TRANSFER])
    assert transfers.send(records(TRANSFER, 60, applicant_cid="11913000065"), MONDAY)["applicant_has_card"].value == 0
    measure = transfers.send(records(TRANSFER, 60, applicant_cid="11913000066"), MONDAY)["applicant_has_card"]
    assert measure.value == 1 > measure.at_most


def test_a_large_increment_is_held_against_the_days_before(control: sa.Engine, contracts: Contracts) -> None:
    survey = Sending(control, contracts[SURVEY])
    for day in range(7):
        assert "rating_shift" not in survey.send(records(SURVEY, 80), MONDAY + day * DAY)
    same = survey.send(records(SURVEY, 500), MONDAY + 7 * DAY)["rating_shift"]
    assert same.value < 0.02 and (same.at_most, same.severity) == (0.25, "critical")
    assert "rating_shift" not in survey.send(records(SURVEY, 499, overall_rating=1), MONDAY + 7 * DAY)
    shifted = survey.send(records(SURVEY, 500, overall_rating=1), MONDAY + 7 * DAY)["rating_shift"]
    assert shifted.value > 0.25
    lost = survey.send(records(SURVEY, 500, overall_rating=None), MONDAY + 7 * DAY)["rating_shift"]
    assert lost.value > 0.25
    assert [survey.again(n)["rating_shift"] for n in (7, 9, 10)] == [same, shifted, lost]


def test_six_days_are_too_few_to_tell_drift(control: sa.Engine, contracts: Contracts) -> None:
    survey = Sending(control, contracts[SURVEY])
    for day in range(6):
        survey.send(records(SURVEY, 200), MONDAY + day * DAY)
    assert "rating_shift" not in survey.send(records(SURVEY, 500, overall_rating=1), MONDAY + 6 * DAY)


def test_a_day_is_held_against_the_days_before_once_it_is_over(control: sa.Engine, contracts: Contracts) -> None:
    feedback = Sending(control, contracts[FEEDBACK])
    for day in range(8):
        assert "services" not in feedback.send(records(FEEDBACK, 200, service_code="cid-first"), MONDAY + day * DAY)
    night = (MONDAY + 8 * DAY).replace(hour=1)
    calm = feedback.send(records(FEEDBACK, 1), night)
    assert (calm["services"].value, calm["rating_drift"].value < 0.02) == (0, True)
    moved = records(FEEDBACK, 100, service_code="cid-first", rating=1) + records(
        FEEDBACK, 100, service_code="cid-renewal", rating=1
    )
    for part in (moved[:90], moved[90:]):  # a day comes in pieces
        assert "services" not in feedback.send(part, MONDAY + 8 * DAY)
    found = feedback.send(records(FEEDBACK, 1), night + DAY)
    assert found["rating_drift"].value > 0.25
    assert found["services"].value == pytest.approx(100 / 201, abs=0.01)
    assert found["services.unused"].value == pytest.approx(100 / 201, abs=0.01)
    assert found["services.unused"].of == "share of unused codes of service_code, 201 rows against 1600"
    assert feedback.again(-1) == found


def test_patients_ages_are_watched_in_classes(control: sa.Engine, contracts: Contracts) -> None:
    visits = Sending(control, contracts[VISIT])
    for day in range(7):
        visits.send(records(VISIT, 500), MONDAY + day * DAY)
    visits.send(records(VISIT, 500, age_years=3), MONDAY + 7 * DAY)
    found = visits.send(records(VISIT, 1), (MONDAY + 8 * DAY).replace(hour=1))
    assert found["patient_ages"].value > 1 and found["event_mix"].value < 0.02
