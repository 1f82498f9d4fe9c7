"""Cut the front off topic-partitions so that the records are gone from the broker's disk too.

Kafka deletes whole log segments, never the one that is being written. So each partition is made to begin a new one:
with an aborted transaction, which no reader ever sees, because only an append does it. What is cut off must be in
the lake already; that is the caller's to see to.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import uuid4

import confluent_kafka
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from connectors.topics import admin_client, unreachable
from datacentre.errors import SourceUnavailable

_SEGMENT_MS = "segment.ms"
# How long the broker keeps the files of a segment after it has let go of it; 60 s where nothing is set.
_FILE_DELAY = {"file.delete.delay.ms": (AlterConfigOp.SET, "1000")}
_SETTLE_SECONDS = 1.0
_ANSWER_SECONDS = 30


def begin_segments(bootstrap_servers: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """Have each partition begin a new log segment; returns its first offset by partition.

    Raises SourceUnavailable when the broker refuses or doesn't answer.
    """
    with _eager_segments(bootstrap_servers, topic):
        time.sleep(_SETTLE_SECONDS)  # the broker takes up a topic's settings a moment after it has confirmed them
        return _append_nothing(bootstrap_servers, topic, partitions)


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


@contextmanager
def _eager_segments(bootstrap_servers: str, topic: str) -> Iterator[None]:
    admin = admin_client(bootstrap_servers)
    try:
        _alter(admin, topic, {_SEGMENT_MS: (AlterConfigOp.SET, "1"), **_FILE_DELAY})
        try:
            yield
        finally:
            _alter(admin, topic, {_SEGMENT_MS: (AlterConfigOp.DELETE, None)})
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        admin.close()


def _alter(admin: KafkaAdminClient, topic: str, changes: Mapping[str, tuple[AlterConfigOp, str | None]]) -> None:
    answer = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(changes))])
    if (said := answer["topic"][topic]) != "OK":
        raise SourceUnavailable(f"{topic}: the broker refuses to change the topic's settings: {said}")


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
