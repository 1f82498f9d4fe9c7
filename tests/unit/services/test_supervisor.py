"""What dies is started again, at longer and longer intervals, until it is no longer wanted."""

import time
from pathlib import Path

import pytest

from datacentre.errors import SourceUnavailable
from datacentre.services.restarts import forget_restarts, restarts, restarts_by_part
from datacentre.services.supervisor import Part, Supervisor, wanted


class Service:
    """A part that runs while nobody kills it."""

    def __init__(self) -> None:
        self.is_alive = False
        self.starts = 0
        self.is_broken = False
        self.part = Part(self.start, lambda: True, lambda: self.is_alive, self.start)

    def start(self) -> str:
        self.starts += 1
        if self.is_broken:
            raise SourceUnavailable("no disk")
        self.is_alive = True
        return "runs"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sink() -> Service:
    return Service()


@pytest.fixture
def supervisor(tmp_path: Path, sink: Service, clock: Clock) -> Supervisor:
    with wanted(tmp_path) as names:
        names.add("sink")
    return Supervisor(tmp_path, {"sink": sink.part, "gateway": Service().part}, {}, clock)


def test_what_died_is_started_again_and_counted(tmp_path: Path, supervisor: Supervisor, sink: Service) -> None:
    sink.is_alive = True
    assert supervisor.look() == []
    sink.is_alive = False
    assert supervisor.look() == ["sink"]
    assert (sink.starts, restarts(tmp_path)) == (1, {"sink": 1})
    assert supervisor.look() == []
    forget_restarts(tmp_path, "sink")
    assert restarts(tmp_path) == {}


def test_what_is_not_wanted_stays_down(tmp_path: Path, supervisor: Supervisor, sink: Service) -> None:
    with wanted(tmp_path) as names:
        names.discard("sink")
    assert supervisor.look() == []
    assert sink.starts == 0


def test_what_dies_at_once_is_tried_ever_more_seldom(supervisor: Supervisor, sink: Service, clock: Clock) -> None:
    tries = []
    for second in range(400):
        clock.now = 100.0 + second
        sink.is_alive = False
        if supervisor.look():
            tries.append(second)
    assert tries == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]


def test_after_a_quiet_minute_it_is_started_at_once_again(supervisor: Supervisor, sink: Service, clock: Clock) -> None:
    for second in range(20):
        clock.now = 100.0 + second
        sink.is_alive = False
        supervisor.look()
    sink.is_alive = True
    clock.now += 61
    supervisor.look()
    sink.is_alive = False
    starts = sink.starts
    assert supervisor.look() == ["sink"]
    clock.now += 1
    sink.is_alive = False
    assert supervisor.look() == ["sink"]
    assert sink.starts == starts + 2


def test_a_full_disk_keeps_it_from_counting_not_from_starting(
    tmp_path: Path, supervisor: Supervisor, sink: Service
) -> None:
    (tmp_path / "started_again.new").symlink_to("/dev/full")  # every write to it fails for want of space
    assert supervisor.look() == ["sink"]
    assert (sink.is_alive, restarts(tmp_path)) == (True, {})


def test_what_cannot_be_started_is_told_and_tried_again(
    tmp_path: Path, supervisor: Supervisor, sink: Service, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sink.is_broken = True
    assert supervisor.look() == []
    assert "sink has died and can't be started: no disk" in caplog.text
    sink.is_broken = False
    clock.now += 2
    assert supervisor.look() == ["sink"]
    assert restarts(tmp_path) == {"sink": 1}


def test_the_companion_is_kept_while_anything_is_wanted(tmp_path: Path, sink: Service, clock: Clock) -> None:
    sink.is_alive, companion = True, Service()
    supervisor = Supervisor(tmp_path, {"sink": sink.part}, {"understudy": companion.part}, clock)
    assert supervisor.look() == []
    with wanted(tmp_path) as names:
        names.add("sink")
    assert supervisor.look() == ["understudy"]
    assert restarts(tmp_path) == {"understudy": 1}
    companion.is_alive = False
    with wanted(tmp_path) as names:
        names.clear()
    supervisor.keep()  # ends: nothing is wanted
    assert companion.starts == 1


def test_the_times_of_the_last_restarts_are_kept(
    tmp_path: Path, supervisor: Supervisor, sink: Service, clock: Clock
) -> None:
    before = time.time()
    for second in (0, 10, 20, 30):
        clock.now = 100.0 + second
        sink.is_alive = False
        supervisor.look()
    found = restarts_by_part(tmp_path)["sink"]
    assert (found.count, len(found.last)) == (4, 3)
    assert before <= found.last[0] <= found.last[1] <= found.last[2] <= time.time()
