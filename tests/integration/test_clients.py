"""What both clients promise the sink: the same records, in columns, in order, of the topics that aren't held."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from kafka import KafkaProducer
from kafka.admin import NewTopic

from connectors.sink.clients import Consumer, Membership, open_consumer
from connectors.sink.scan import warm
from connectors.topics import admin_client
from datacentre.settings import KAFKA_CLIENTS, Settings

pytestmark = pytest.mark.broker

NOW_MS = int(time.time() * 1000)  # an older record could fall to retention at once
Record = tuple[int, int, int, bytes | None, bytes | None]
ODD = [
    (b"key", b"value"),
    (None, b"no key"),
    (b"a deletion", None),
    (b"", b""),
    (b"after", b"an empty one"),
    (b"\xff\x00", bytes(range(256)) * 40),
]


@pytest.fixture
def topics(broker: Settings) -> Iterator[tuple[str, str]]:
    names = f"a-{uuid4().hex}", f"b-{uuid4().hex}"
    admin = admin_client(broker.bootstrap_servers)
    admin.create_topics([NewTopic(name=name, num_partitions=2, replication_factor=1) for name in names])
    yield names
    admin.delete_topics(list(names))
    admin.close()


def produce(broker: Settings, topic: str, records: list[tuple[bytes | None, bytes | None]]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, linger_ms=20)
    for n, (key, value) in enumerate(records):
        producer.send(
            topic, value, key, headers=[("h", b"1")] if n % 2 else [], partition=n % 2, timestamp_ms=NOW_MS + n
        )
    producer.flush()
    producer.close()


@contextmanager
def consuming(broker: Settings, client: str, topics: tuple[str, str]) -> Iterator[Consumer]:
    warm.wait()
    consumer = open_consumer(
        client,
        Membership(
            bootstrap_servers=broker.bootstrap_servers,
            group=uuid4().hex,
            instance="",
            topics=topics,
            session_ms=10_000,
            fetch_bytes=1024 * 1024,
            on_assigned=lambda partitions: dict.fromkeys(partitions, 0),
            on_revoked=lambda partitions: None,
        ),
    )
    try:
        yield consumer
    finally:
        consumer.close()


def read(consumer: Consumer, count: int, seconds: float = 20.0) -> dict[str, list[Record]]:
    """Polls until `count` records or the time are up; by topic."""
    found: dict[str, list[Record]] = {}
    until = time.monotonic() + seconds
    while sum(map(len, found.values())) < count and time.monotonic() < until:
        for chunk in consumer.poll(0.1):
            columns = (chunk.partitions, chunk.offsets, chunk.times_ms, chunk.keys, chunk.values)
            found.setdefault(chunk.topic, []).extend(zip(*(column.tolist() for column in columns), strict=True))
    return found


def expected(records: list[tuple[bytes | None, bytes | None]]) -> list[Record]:
    return sorted((n % 2, n // 2, NOW_MS + n, key, value) for n, (key, value) in enumerate(records))


@pytest.mark.parametrize("client", KAFKA_CLIENTS)
def test_records_come_as_they_were_sent(broker: Settings, topics: tuple[str, str], client: str) -> None:
    many = [(str(n).encode(), b"x" * (n % 300)) for n in range(12_000)]
    produce(broker, topics[0], ODD)
    produce(broker, topics[1], many)
    with consuming(broker, client, topics) as consumer:
        found = read(consumer, len(ODD) + len(many))
        positions = dict(consumer.positions())

    assert sorted(found[topics[0]], key=lambda r: r[:2]) == expected(ODD)
    assert sorted(found[topics[1]]) == expected(many)
    for partition in (0, 1):
        offsets = [r[1] for r in found[topics[1]] if r[0] == partition]
        assert offsets == sorted(offsets)
    assert positions == {(topics[0], p): 3 for p in (0, 1)} | {(topics[1], p): 6_000 for p in (0, 1)}


@pytest.mark.parametrize("client", KAFKA_CLIENTS)
def test_held_topic_gives_nothing_and_then_everything(broker: Settings, topics: tuple[str, str], client: str) -> None:
    records = [(None, str(n).encode()) for n in range(2_000)]
    with consuming(broker, client, topics) as consumer:
        produce(broker, topics[0], records[:10])
        read(consumer, 10)
        consumer.hold([topics[0]])
        read(consumer, 1, seconds=0.3)  # what was on its way
        for topic in topics:
            produce(broker, topic, records)
        while_held = read(consumer, len(records))
        assert read(consumer, 1, seconds=1) == {}
        consumer.hold([])
        after = read(consumer, len(records))

    assert {topic: len(found) for topic, found in while_held.items()} == {topics[1]: len(records)}
    assert {topic: len(found) for topic, found in after.items()} == {topics[0]: len(records)}


@pytest.mark.parametrize("client", KAFKA_CLIENTS)
def test_seek_drops_what_was_fetched(broker: Settings, topics: tuple[str, str], client: str) -> None:
    produce(broker, topics[0], [(None, str(n).encode()) for n in range(20_000)])
    with consuming(broker, client, topics) as consumer:
        assert read(consumer, 1)
        consumer.seek((topics[0], 0), 9_990)
        consumer.seek((topics[0], 1), 9_995)
        found = read(consumer, 15)[topics[0]]
        assert read(consumer, 1, seconds=0.5) == {}

    assert sorted(r[:2] for r in found) == [
        *((0, n) for n in range(9_990, 10_000)),
        *((1, n) for n in range(9_995, 10_000)),
    ]


@pytest.mark.parametrize("client", KAFKA_CLIENTS)
def test_topic_that_is_held_half_read_goes_on(broker: Settings, topics: tuple[str, str], client: str) -> None:
    """kafka-python 3.0.12 keeps what it had parsed of a paused partition for ever, once another one was read."""
    for _ in range(40):  # as many record batches
        produce(broker, topics[0], [(None, b"x" * 100)] * 20)
    with consuming(broker, client, topics) as consumer:
        before = read(consumer, 1)
        consumer.hold([topics[0]])
        produce(broker, topics[1], [(None, b"y")] * 10)
        between = read(consumer, 10)
        consumer.hold([])
        seen = sum(len(records.get(topics[0], [])) for records in (before, between))
        after = read(consumer, 800 - seen)

    assert len(between[topics[1]]) == 10
    assert seen + len(after.get(topics[0], [])) == 800


def test_closed_client_takes_no_orders(broker: Settings, topics: tuple[str, str]) -> None:
    """What the sink still does while its group goes on without it must not reach memory that was given back."""
    produce(broker, topics[0], [(None, b"x")] * 10)
    with consuming(broker, "librdkafka", topics) as consumer:
        read(consumer, 10)
        consumer.close()
        consumer.seek((topics[0], 0), 0)
