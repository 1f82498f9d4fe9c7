"""The records of a range of one topic-partition, read from the broker again while it keeps them."""

from collections.abc import Iterator

import pyarrow as pa
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from connectors.sink.batch import Batch, Chunk
from connectors.topics import BOOTSTRAP_MS, Topic, unreachable
from datacentre.errors import SourceUnavailable

_PATIENCE_POLLS = 60
_POLL_MS = 500
_MAX_RECORDS = 20_000


def read_range(bootstrap_servers: str, topic: Topic, place: tuple[int, int, int], base: int) -> pa.Table:
    """Committed records at the lake's offsets `(partition, start, next)`, with the columns of `BATCH`.

    `base` is what the lake adds to the topic's offsets.

    Raises SourceUnavailable when the broker stops answering.
    """
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
    except (KafkaError, OSError, ValueError) as problem:
        raise unreachable(bootstrap_servers, problem) from None
    try:
        partition, start, following = place
        read = Batch()
        for chunk in _read(consumer, TopicPartition(topic.name, partition), start - base, following - base):
            read.add(chunk.shifted({partition: base}))
        return read.table()
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        consumer.close()


def _read(consumer: KafkaConsumer, at: TopicPartition, start: int, following: int) -> Iterator[Chunk]:
    consumer.assign([at])
    consumer.seek(at, start)
    idle = 0
    while consumer.position(at) < following:
        messages = consumer.poll(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS).get(at, [])
        idle = 0 if messages else idle + 1
        if idle > _PATIENCE_POLLS:
            raise SourceUnavailable(f"{at.topic}: the broker gave no record for {idle * _POLL_MS // 1000} s")
        within = [(at.partition, m.offset, m.timestamp, m.key, m.value) for m in messages if m.offset < following]
        yield Chunk.of(at.topic, within)
