"""When a sink says that nobody reads a partition."""

import pytest

from connectors.sink import orphans
from connectors.sink.clients import Partition
from connectors.sink.orphans import Orphans

A, B = ("votes", 0), ("votes", 1)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(orphans, "time", clock)
    return clock


def look(
    watch: Orphans, others: set[Partition], positions: dict[Partition, int], ends: dict[Partition, int]
) -> set[Partition]:
    return watch.find(others, lambda: positions, lambda: ends)


def test_stands_still_below_its_end_from_one_look_to_the_next(clock: Clock) -> None:
    watch = Orphans(10)
    assert look(watch, {A, B}, {A: 5, B: 5}, {A: 9, B: 9}) == set()
    clock.now += 10
    assert look(watch, {A, B}, {A: 5, B: 5}, {A: 9, B: 9}) == set()  # the first time that it is looked at
    clock.now += 9
    assert look(watch, {A, B}, {A: 5, B: 5}, {A: 9, B: 9}) == set()
    clock.now += 1
    assert look(watch, {A, B}, {A: 5, B: 6}, {A: 9, B: 9}) == {A}


def test_record_that_came_just_before_the_look_makes_no_orphan(clock: Clock) -> None:
    watch = Orphans(10)
    for end in (5, 6):
        clock.now += 10
        assert look(watch, {A}, {A: 5}, {A: end}) == set()


def test_partition_at_its_end_is_no_orphan(clock: Clock) -> None:
    watch = Orphans(10)
    for _ in range(3):
        clock.now += 10
        assert look(watch, {A}, {A: 9}, {A: 9}) == set()


def test_topic_that_the_broker_does_not_tell_of_is_left_alone(clock: Clock) -> None:
    watch = Orphans(10)
    for _ in range(3):
        clock.now += 10
        assert look(watch, {A}, {A: 9}, {}) == set()


def test_own_partitions_are_not_asked_about(clock: Clock) -> None:
    watch = Orphans(10)
    clock.now += 10

    def unasked() -> dict[Partition, int]:
        raise AssertionError("asked")

    assert watch.find(set(), unasked, unasked) == set()


def test_patience_doubles_while_nothing_helps_and_is_the_usual_after(clock: Clock) -> None:
    watch, found_at = Orphans(10), []
    while clock.now < 250:
        clock.now += 1
        if look(watch, {A}, {A: 5 if clock.now < 190 else clock.now}, {A: 999}):
            found_at.append(clock.now)
    assert found_at == [120.0, 140.0, 180.0]
    clock.now += 10
    look(watch, {A}, {A: 500}, {A: 999})
    clock.now += 10
    assert look(watch, {A}, {A: 500}, {A: 999}) == {A}
