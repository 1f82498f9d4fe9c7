"""What an engineer does with a held increment, through the commands."""

import json
from pathlib import Path

import pytest

from datacentre.control.alerts import open_alerts
from datacentre.control.certificates import Failing, Judgement, Status, certified_ranges, held, pending, record
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.settings import from_environment
from datacentre.stages.held import tell_held
from tests.unit.cli.test_errors import one_line, run

STREAM = "rcsc__service_feedback"


@pytest.fixture
def number(tmp_path: Path) -> int:
    """A held increment of offsets 0..10 in partition 1."""
    failing = Failing("overall_rating.max", "critical", 2, ("1:3", "1:7"))
    judgement = Judgement(Status.HELD, "critical: overall_rating.max (2 rows)", (failing,), "c", "s", 4)
    with opened(_url(tmp_path)) as store:
        return record(store, STREAM, [OffsetRange(1, 0, 10)], judgement)[0]


def _url(folder: Path) -> str:
    return from_environment({"DATACENTRE_HOME": str(folder / "home")}).control_url


def test_held_is_listed_and_shown_with_its_records(tmp_path: Path, number: int) -> None:
    (listed,) = json.loads(run(tmp_path, "hold", "list", "--json").stdout)
    assert (listed["id"], listed["stream"], listed["status"]) == (number, STREAM, "held")
    assert "overall_rating.max" in run(tmp_path, "hold", "list", STREAM).stdout
    shown = run(tmp_path, "hold", "show", str(number)).stdout
    assert "critical: overall_rating.max (2 rows)" in shown and "1:3, 1:7" in shown


def test_release_certifies_and_keeps_who_and_why(tmp_path: Path, number: int) -> None:
    done = run(tmp_path, "hold", "release", str(number), "--reason", "the agency confirmed it")
    assert done.returncode == 0 and "certified as" in done.stdout
    with opened(_url(tmp_path)) as store:
        assert held(store) == ()
        (certified,) = certified_ranges(store, STREAM)
    assert (certified.partition, certified.start_offset, certified.next_offset) == (1, 0, 10)
    assert certified.certificate_id > number


def test_quarantined_stays_covered_and_is_never_certified(tmp_path: Path, number: int) -> None:
    assert run(tmp_path, "hold", "quarantine", str(number), "--reason", "sent twice").returncode == 0
    with opened(_url(tmp_path)) as store:
        assert held(store) == certified_ranges(store, STREAM) == ()
        assert pending(store, STREAM, {1: 10}) == ()


def test_recheck_gives_it_to_the_next_check(tmp_path: Path, number: int) -> None:
    assert run(tmp_path, "hold", "recheck", str(number), "--reason", "code list completed").returncode == 0
    with opened(_url(tmp_path)) as store:
        assert pending(store, STREAM, {1: 10}) == (OffsetRange(1, 0, 10),)


def test_a_decision_on_the_last_one_ends_the_alert(tmp_path: Path, number: int) -> None:
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path / "home")})
    judgement = Judgement(Status.HELD, "critical: overall_rating.max (1 rows)", (), "c", "s", 4)
    with opened(settings.control_url) as store:
        (other,) = record(store, STREAM, [OffsetRange(1, 10, 20)], judgement)
        tell_held(settings, store, STREAM)
        assert run(tmp_path, "hold", "recheck", str(other), "--reason", "x").returncode == 0
        (alert,) = open_alerts(store)
        assert alert.text.startswith(f"1 increments are held, the newest is {number}")
        assert run(tmp_path, "hold", "release", str(number), "--reason", "x").returncode == 0
        assert open_alerts(store) == ()


def test_unknown_number_decides_nothing(tmp_path: Path, number: int) -> None:
    done = run(tmp_path, "hold", "release", str(number), "999", "--reason", "x")
    assert done.returncode == 5
    assert "increment 999 is not held" in one_line(done)
    with opened(_url(tmp_path)) as store:
        assert [c.id for c in held(store)] == [number]


def test_reason_must_say_something(tmp_path: Path, number: int) -> None:
    done = run(tmp_path, "hold", "release", str(number), "--reason", " ")
    assert done.returncode == 2 and "--reason" in one_line(done)


def test_unknown_stream_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, "hold", "list", "rcsc__feedback").returncode == 2
