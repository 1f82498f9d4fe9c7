"""Cut the front off topic-partitions so that the records are gone from the broker's disk too.

Kafka deletes whole log segments, never the one that is being written. So each partition is made to begin a new one:
with an aborted transaction, which no reader ever sees, because only an append does it. What is cut off must be in
the lake already; that is the caller's to see to.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from uuid import uuid4

import confluent_kafka
from kafka import TopicPartition
from kafka.errors import KafkaError

from connectors.topic_settings import set_meanwhile
from connectors.topics import admin_client, unreachable
from datacentre.errors import SourceUnavailable

_SETTLE_SECONDS = 1.0
_ANSWER_SECONDS = 30


def begin_segments(bootstrap_servers: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """Have each partition begin a new log segment; returns its first offset by partition.

    Raises SourceUnavailable when the broker refuses or doesn't answer.
    """
    with set_meanwhile(bootstrap_servers, [topic], "segment.ms", "1"):
        time.sleep(_SETTLE_SECONDS)  # the broker takes up a topic's settings a moment after it has confirmed them
        return _append_nothing(bootstrap_servers, topic, partitions)


def letting_go_soon(bootstrap_servers: str, topics: Sequence[str]) -> AbstractContextManager[None]:
    """Meanwhile the broker deletes a segment's files a second after it has let go of it, not a minute."""
    return set_meanwhile(bootstrap_servers, topics, "file.delete.delay.ms", "1000")


def delete_below(bootstrap_servers: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete each partition's records below its offset, for every reader and for good.

    The broker removes their files at its next look at retention (`log.retention.check.interval.ms`, 5 minutes by
    default).
    """
    admin = admin_client(bootstrap_servers)
    try:
        admin.delete_records({TopicPartition(topic, p): offset for p, offset in offsets.items()})
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        admin.close()


def _append_nothing(bootstrap_servers: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}

    def note(problem: confluent_kafka.KafkaError | None, message: confluent_kafka.Message) -> None:
        partition, offset = message.partition(), message.offset()
        if problem is None and partition is not None and offset is not None:
            found[partition] = offset

    producer = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap_servers, "transactional.id": f"datacentre-erasure-{uuid4().hex}"}
    )
    try:
        producer.init_transactions(_ANSWER_SECONDS)
        producer.begin_transaction()
        for partition in partitions:
            producer.produce(topic, key=b"", value=b"", partition=partition, on_delivery=note)
        producer.flush(_ANSWER_SECONDS)
        producer.abort_transaction(_ANSWER_SECONDS)
    except confluent_kafka.KafkaException as problem:
        raise SourceUnavailable(f"{topic}: no new log segment could be begun: {problem}") from None
    if missing := sorted(set(partitions) - set(found)):
        raise SourceUnavailable(f"{topic}: the broker did not confirm a new log segment of partitions {missing}")
    return found
