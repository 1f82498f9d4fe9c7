"""The records of a range of one topic-partition, read from the broker again while it keeps them."""

from collections.abc import Iterator

import pyarrow as pa
from kafka import KafkaConsumer, TopicPartition

from connectors.committed_records import consuming, polls
from connectors.sink.batch import Batch, Chunk
from connectors.topics import Topic


def read_range(bootstrap_servers: str, topic: Topic, place: tuple[int, int, int], base: int) -> pa.Table:
    """Committed records at the lake's offsets `(partition, start, next)`, with the columns of `BATCH`.

    `base` is what the lake adds to the topic's offsets.

    Raises SourceUnavailable when the broker stops answering.
    """
    partition, start, following = place
    read = Batch()
    with consuming(bootstrap_servers, "none") as consumer:
        for chunk in _read(consumer, TopicPartition(topic.name, partition), start - base, following - base):
            read.add(chunk.shifted({partition: base}))
    return read.table()


def _read(consumer: KafkaConsumer, at: TopicPartition, start: int, following: int) -> Iterator[Chunk]:
    consumer.assign([at])
    consumer.seek(at, start)
    for records in polls(consumer, at.topic, lambda: consumer.position(at) >= following):
        messages = records.get(at, [])
        within = [(at.partition, m.offset, m.timestamp, m.key, m.value) for m in messages if m.offset < following]
        yield Chunk.of(at.topic, within)
