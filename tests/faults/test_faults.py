"""The fault matrix in small: killed at every commit, frozen and overtaken, obstructed by a failing revocation."""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from connectors.sink.batch import Batch
from connectors.sink.clients import Consumer
from connectors.sink.committer import Done
from connectors.sink.sink import Sink
from connectors.sink.writer import Fenced
from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable
from datacentre.settings import KAFKA_CLIENTS, Settings
from tests.faults.count import count
from tests.faults.fleet import Fleet
from tests.faults.freezing import keep_freezing
from tests.faults.killing import TABLES, keep_killing
from tests.faults.traffic import STREAMS, Traffic, records

pytestmark = pytest.mark.broker
POINTS = [f"{when}_{table}_commit:2" for table in TABLES for when in ("before", "after")]
SESSION_SECONDS = 6.0  # the least that a broker allows by itself
VOTES = "pmo__deliberation_vote"


@pytest.fixture(params=KAFKA_CLIENTS)
def fleet(centre: Settings, contracts: dict[str, Contract], request: pytest.FixtureRequest) -> Iterator[Fleet]:
    settings = replace(centre, kafka_client=request.param, session_seconds=SESSION_SECONDS, flush_rows=2_000)
    made = Fleet(settings, contracts, STREAMS)
    yield made
    made.end(seconds=5.0)


def test_killed_before_and_after_every_commit(fleet: Fleet, contracts: dict[str, Contract]) -> None:
    made = records(contracts, fleet.settings.reference, 20_000)
    with Traffic(fleet.settings.bootstrap_servers, made, rate=700, transactions=True) as traffic:
        keep_killing(fleet, POINTS, len(POINTS), lambda times: None, sinks=2)
    fleet.end()
    fleet.catch_up()
    found = count(fleet)
    assert (found.lost, found.duplicated, found.differences) == (0, 0, ())
    assert found.records >= traffic.sent > 0
    assert traffic.aborted > 0


def test_a_zombie_wakes_up_after_others_took_over(fleet: Fleet, contracts: dict[str, Contract]) -> None:
    made = records(contracts, fleet.settings.reference, 20_000)
    with Traffic(fleet.settings.bootstrap_servers, made, rate=500):
        assert keep_freezing(fleet, 1, lambda times: None) >= 1
    fleet.end()
    fleet.catch_up()
    found = count(fleet)
    assert (found.lost, found.duplicated, found.differences) == (0, 0, ())


class Unassigned:
    """A client that has given its partitions back already, as kafka-python has when it tells of it."""

    def __init__(self) -> None:
        self.sought: list[tuple[str, int]] = []

    def seek(self, partition: tuple[str, int], offset: int) -> None:
        self.sought.append(partition)


@pytest.fixture
def revoked(centre: Settings, contracts: dict[str, Contract]) -> tuple[Sink, Unassigned]:
    """A sink that holds partitions 0 and 1 while a batch of the stream is being committed."""
    sink, client = Sink(centre, {VOTES: contracts[VOTES]}), Unassigned()
    sink._consumer = cast(Consumer, client)
    sink._next = {(VOTES, 0): 0, (VOTES, 1): 0}
    sink._committer._pending[VOTES] = Batch()
    return sink, client


def test_a_batch_fenced_in_a_revocation_seeks_only_what_is_left(revoked: tuple[Sink, Unassigned]) -> None:
    sink, client = revoked
    sink._committer._done.put(Done(VOTES, Batch(), 0.0, problem=Fenced("another was first")))
    sink._revoked([(VOTES, 0)])
    assert client.sought == [(VOTES, 1)]
    assert list(sink._next) == [(VOTES, 1)]


def test_a_failure_in_a_revocation_reaches_the_loop(revoked: tuple[Sink, Unassigned]) -> None:
    """A client swallows what its listener raises. What is buffered of the partition is its next owner's."""
    sink, _ = revoked
    for partition in (0, 1):
        sink._batches[VOTES].advance(partition, 0, 5)
    sink._committer._done.put(Done(VOTES, Batch(), 0.0, problem=SourceUnavailable("the disk is full")))
    sink._revoked([(VOTES, 0)])
    assert sink._batches[VOTES].ranges == {1: (0, 5)}

    class Idle:
        def poll(self, timeout_seconds: float) -> list[object]:
            return []

    with pytest.raises(SourceUnavailable, match="the disk is full"):
        sink._take(cast(Consumer, Idle()))
