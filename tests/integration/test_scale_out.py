"""Several sinks share the partitions of a stream."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.base import MemberState

from connectors.sink.clients import open_consumer
from connectors.sink.sink import Sink
from connectors.topics import describe_topics
from datacentre.contracts import Contract
from datacentre.settings import KAFKA_CLIENTS, Settings
from datacentre.stages.verify import verify
from tests.integration.test_sink import STREAM, produce, vote

pytestmark = pytest.mark.broker


@pytest.fixture(params=KAFKA_CLIENTS)
def centre(centre: Settings, request: pytest.FixtureRequest) -> Settings:
    return replace(centre, kafka_client=request.param, flush_seconds=0.1)


@contextmanager
def running(settings: Settings, contract: Contract) -> Iterator[Sink]:
    """A sink in a thread; what goes wrong in it is raised at the end."""
    sink, ended, problems = Sink(settings, {STREAM: contract}), threading.Event(), []

    def run() -> None:
        try:
            sink.run(until_caught_up=False, stopping=ended.is_set, told=lambda progress: None)
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sink
    finally:
        ended.set()
        thread.join(timeout=30)
    assert not thread.is_alive() and not problems, problems


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def test_members_share_the_work_and_take_over(centre: Settings, contracts: dict[str, Contract]) -> None:
    contract = contracts[STREAM]
    with running(centre, contract) as first:
        assert wait_for(lambda: len(first._next) == 2)
        with running(centre, contract) as second:
            assert wait_for(lambda: len(first._next) == len(second._next) == 1)
            produce(centre, (vote(contract, n) for n in range(4_000)))
            assert wait_for(lambda: first.progress.records + second.progress.records == 4_000)
            assert first.progress.records > 0 and second.progress.records > 0
        produce(centre, (vote(contract, n) for n in range(4_000, 5_000)))
        assert wait_for(lambda: first.progress.records + second.progress.records == 5_000)
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]


def test_what_was_read_and_not_committed_is_read_again(
    centre: Settings, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions leave and come back while a sink has read on without a commit: its old position counts no more."""
    monkeypatch.setattr("connectors.sink.clients.kafka_python._POSITIONS_SECONDS", 1e9)
    contract = contracts[STREAM]
    slow = replace(centre, flush_seconds=3_600.0, flush_rows=1_000_000)
    with running(slow, contract) as sink:
        assert wait_for(lambda: len(sink._next) == 2)
        produce(centre, (vote(contract, n) for n in range(2_000)))
        assert wait_for(lambda: sum(sink._next.values()) == 2_000)
        guest = open_consumer(
            centre.kafka_client,
            replace(sink._membership(), on_assigned=lambda ps: dict.fromkeys(ps, 0), on_revoked=print),
        )
        assert wait_for(lambda: guest.poll(0.1) is not None and len(sink._next) == 1)
        guest.close()
        assert wait_for(lambda: produce(centre, [vote(contract, 1)] * 50) is not None and len(sink._next) == 2)
        produce(centre, (vote(contract, n) for n in range(2_000, 3_000)))
        ends = describe_topics(centre.bootstrap_servers, [contract])[STREAM].end_offsets
        assert wait_for(lambda: sum(sink._next.values()) == sum(ends.values()))
        assert sink.progress.commits == 0
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]


def test_a_static_member_has_its_partitions_back_at_once(centre: Settings, contracts: dict[str, Contract]) -> None:
    contract = contracts[STREAM]
    named = replace(centre, sink_instance="sink-1", session_seconds=30.0)
    with running(named, contract) as sink:
        assert wait_for(lambda: len(sink._next) == 2)
    with running(named, contract) as sink:
        assert wait_for(lambda: len(sink._next) == 2, seconds=8.0), "the session lasts 30 s"


class _GivesNothing(CooperativeStickyAssignor):
    """Leaves all partitions to nobody, as the first join of a cooperative rebalance may."""

    def assign(self, cluster: Any, members: Any) -> Any:
        made = super().assign(cluster, members)
        for assignment in made.values():
            assignment.assigned_partitions = []
        return made


def test_partitions_that_the_group_leaves_to_nobody_are_taken(
    centre: Settings,
    contracts: dict[str, Contract],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A static member gets back the assignment that it died with, and the broker sees no reason to share anew."""
    monkeypatch.setattr("connectors.sink.sink._PATIENCE_SESSIONS", 0.5)
    settings = replace(centre, sink_instance="sink-1", session_seconds=6.0)
    contract = contracts[STREAM]
    produce(settings, (vote(contract, n) for n in range(2_000)))
    membership = Sink(settings, {STREAM: contract})._membership()
    dead = KafkaConsumer(
        bootstrap_servers=membership.bootstrap_servers,
        group_id=membership.group,
        group_instance_id=membership.instance,
        session_timeout_ms=membership.session_ms,
        heartbeat_interval_ms=500,
        enable_auto_commit=False,
        partition_assignment_strategy=[_GivesNothing],
    )
    dead.subscribe([STREAM])
    assert wait_for(lambda: dead.poll(timeout_ms=200) == {} and dead._coordinator.state is MemberState.STABLE)
    dead.close(autocommit=False)
    with running(settings, contract) as sink:
        assert wait_for(lambda: sink.progress.records == 2_000, seconds=30)
    assert f"nobody reads {STREAM} partition 0" in caplog.text
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]
