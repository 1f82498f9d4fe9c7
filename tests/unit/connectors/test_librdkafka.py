"""What the librdkafka client does with the events among its records; its work with a broker is in tests/integration."""

from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from connectors.sink.batch import Chunk
from connectors.sink.clients import Partition
from connectors.sink.clients.librdkafka import LibrdkafkaConsumer
from connectors.sink.clients.message_queue import Event
from datacentre.errors import CheckFailed, SourceUnavailable

TOPIC = "votes"
CHUNK = Chunk.of(TOPIC, [(0, 7, 1, b"k", b"v")])


class Queues:
    """Gives what is put into `ready`, once."""

    def __init__(self) -> None:
        self.ready: tuple[list[Chunk], list[Event]] = ([], [])

    def forward(self, partitions: Iterable[Partition]) -> None: ...

    def wait(self, timeout_seconds: float) -> None: ...

    def take(self, held: Collection[str]) -> tuple[list[Chunk], list[Event]]:
        ready, self.ready = self.ready, ([], [])
        return ready


class Client:
    """The broker has offsets 100 to 200 of every partition."""

    def __init__(self) -> None:
        self.assigned: list[tuple[int, int]] = []

    def consume(self, number: int, timeout: float) -> list[Any]:
        return []

    def get_watermark_offsets(self, at: Any, timeout: float) -> tuple[int, int]:
        return 100, 200

    def incremental_unassign(self, partitions: Any) -> None: ...

    def incremental_assign(self, partitions: Any) -> None:
        self.assigned += [(p.partition, p.offset) for p in partitions]


@pytest.fixture
def consumer() -> Any:
    member = LibrdkafkaConsumer.__new__(LibrdkafkaConsumer)
    own = {
        "_client": Client(),
        "_queues": Queues(),
        "_problem": None,
        "_is_closed": False,
        "_held": frozenset(),
        "_silent": set(),
    }
    vars(member).update(own | {"_ends": {}, "_membership": SimpleNamespace(bootstrap_servers="broker:9092")})
    vars(member)["_positions"] = {(TOPIC, 0): 7}
    return member


def test_refusal_of_one_topic_costs_no_record_of_another(consumer: Any) -> None:
    consumer._queues.ready = ([CHUNK], [Event(("other", 0), KafkaError.TOPIC_AUTHORIZATION_FAILED, 0)])
    assert consumer.poll(0) == [CHUNK]
    assert consumer.positions() == {(TOPIC, 0): 8}
    consumer._queues.ready = ([CHUNK], [])
    with pytest.raises(SourceUnavailable, match="broker:9092 refuses"):
        consumer.poll(0)
    assert consumer.poll(0) == [CHUNK]


def test_offset_that_the_broker_has_is_asked_for_again(consumer: Any) -> None:
    consumer._positions[(TOPIC, 0)] = 150
    consumer._queues.ready = ([], [Event((TOPIC, 0), KafkaError._AUTO_OFFSET_RESET, 0)])
    assert consumer.poll(0) == []
    assert consumer._client.assigned == [(0, 150)]
    assert consumer._silent == {(TOPIC, 0)}
    assert consumer.poll(0) == []


@pytest.mark.parametrize("position", [99, 201])
def test_offset_that_the_broker_does_not_have_is_told_with_what_it_has(consumer: Any, position: int) -> None:
    consumer._positions[(TOPIC, 0)] = position
    consumer._queues.ready = ([], [Event((TOPIC, 0), KafkaError._AUTO_OFFSET_RESET, 0)])
    with pytest.raises(CheckFailed, match=f"votes partition 0 from {position}; it has 100 to 200"):
        consumer.poll(0)


def test_late_word_of_a_partition_that_went_is_not_heard(consumer: Any) -> None:
    consumer._queues.ready = ([], [Event((TOPIC, 1), KafkaError._AUTO_OFFSET_RESET, 0)])
    assert consumer.poll(0) == consumer.poll(0) == []
    assert consumer._client.assigned == []
