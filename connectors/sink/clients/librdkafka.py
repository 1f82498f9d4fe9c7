"""librdkafka (confluent-kafka) behind the sink's seam."""

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import confluent_kafka
import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.sink.batch import Chunk
from connectors.sink.clients.seam import Membership, Partition
from connectors.topics import BOOTSTRAP_MS, unreachable
from datacentre.errors import CheckFailed, SourceUnavailable

_POLL_MESSAGES = 10_000
_FIRST_WAIT_SECONDS = 0.05
_CLOSE_SECONDS = 10.0
_LOST_OFFSETS = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


class LibrdkafkaConsumer:
    """A member of the sink's group. Its network threads go on while Python works."""

    def __init__(self, membership: Membership):
        self._membership = membership
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._problem: Exception | None = None
        settings: dict[str, Any] = {
            "bootstrap.servers": membership.bootstrap_servers,
            "group.id": membership.group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,  # tells of ends that lie behind aborted transactions
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": membership.session_ms,
            "heartbeat.interval.ms": membership.session_ms // 5,
            "max.poll.interval.ms": 300_000,
            "fetch.wait.max.ms": 100,
            "fetch.message.max.bytes": min(1024 * 1024, membership.fetch_bytes),
            "fetch.max.bytes": membership.fetch_bytes,
            "queued.max.messages.kbytes": max(1024, membership.fetch_bytes // 1024),
            "queued.min.messages": 100_000,
            "fetch.queue.backoff.ms": 5,  # its default sleeps a second each time the queue is full
            "log_level": 0,
            "error_cb": lambda error: None,
        }
        if membership.instance:
            settings["group.instance.id"] = membership.instance
        self._client = Consumer(settings)
        try:
            self._client.list_topics(timeout=BOOTSTRAP_MS / 1000)
        except KafkaException as problem:
            raise unreachable(membership.bootstrap_servers, problem) from None
        self._client.subscribe(
            list(membership.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self, timeout_seconds: float) -> list[Chunk]:
        messages = self._client.consume(_POLL_MESSAGES, min(timeout_seconds, _FIRST_WAIT_SECONDS))
        if self._problem is not None:
            raise self._problem
        if not messages:
            return []
        if any(errors := [m.error() for m in messages]):
            for message, error in zip(messages, errors, strict=True):
                if error is not None:
                    self._told(message, error)
            messages = [m for m, error in zip(messages, errors, strict=True) if error is None]
        return self._chunks(messages) if messages else []

    def _told(self, message: Any, error: Any) -> None:
        """An event among the messages: the end of a partition, or a failure."""
        at = (message.topic(), message.partition())
        if error.code() == KafkaError._PARTITION_EOF:
            if at in self._positions:
                self._positions[at] = max(self._positions[at], message.offset())
                self._ends[at] = message.offset()
        elif error.code() in _LOST_OFFSETS:
            raise CheckFailed(
                f"the broker no longer has the offsets that the lake needs next ({at[0]} partition {at[1]}): retention "
                f"removed records before they were landed. See which with: datacentre verify"
            )
        elif error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
            raise SourceUnavailable(f"the Kafka broker at {self._membership.bootstrap_servers} refuses: {error.str()}")

    def _chunks(self, messages: list[Any]) -> list[Chunk]:
        names = self._membership.topics
        topics = [names[0]] * len(messages) if len(names) == 1 else [m.topic() for m in messages]
        whole = Chunk(
            topics[0],
            np.array([m.partition() for m in messages], np.int32),
            np.array([m.offset() for m in messages], np.int64),
            np.array([m.timestamp()[1] for m in messages], np.int64),
            pa.array([m.key() for m in messages], pa.binary()),
            pa.array([m.value() for m in messages], pa.binary()),
        )
        if topics.count(topics[0]) == len(topics):
            chunks = [whole]
        else:
            named = np.array(topics)
            chunks = [_of_topic(whole, topic, named == topic) for topic in dict.fromkeys(topics)]
        for chunk in chunks:
            for partition, offset in chunk.following().items():
                at = (chunk.topic, partition)
                if at in self._positions:
                    self._positions[at] = max(self._positions[at], offset)
        return chunks

    def positions(self) -> Mapping[Partition, int]:
        return dict(self._positions)

    def seek(self, partition: Partition, offset: int) -> None:
        # A seek is refused before the first fetch; taking the partition anew also drops what was fetched.
        if partition in self._positions:
            self._client.incremental_unassign([TopicPartition(*partition)])
            self._assign({partition: offset})

    def _assign(self, places: Mapping[Partition, int]) -> None:
        self._positions.update(places)
        self._client.incremental_assign([TopicPartition(*at, offset) for at, offset in places.items()])

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._client.pause([TopicPartition(*p) for p in partitions])

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._client.resume([TopicPartition(*p) for p in partitions])

    def note(self, positions: Mapping[Partition, int]) -> None:
        offsets = [TopicPartition(*at, offset) for at, offset in positions.items() if at in self._positions]
        if offsets:
            self._client.commit(offsets=offsets, asynchronous=True)

    def ends(self) -> Mapping[Partition, int]:
        found = {}
        for at in self._positions:
            _, end = self._client.get_watermark_offsets(TopicPartition(*at), cached=True)
            found[at] = max(end, self._ends.get(at, 0))
        return found

    def close(self) -> None:
        """Leave the group. The client's own close can wait for a broker that is gone, so it gets a limit."""
        closing = threading.Thread(target=self._client.close, name="librdkafka-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _assigned(self, client: confluent_kafka.Consumer, assigned: list[TopicPartition]) -> None:
        try:
            places = self._membership.on_assigned([(tp.topic, tp.partition) for tp in assigned])
        except Exception as problem:  # the client would hide it; `poll` raises it
            self._problem = problem
            places = {}
        self._assign(places)

    def _revoked(self, client: confluent_kafka.Consumer, revoked: list[TopicPartition]) -> None:
        gone = [(tp.topic, tp.partition) for tp in revoked]
        for at in gone:
            self._positions.pop(at, None)
            self._ends.pop(at, None)
        self._membership.on_revoked(gone)
        client.incremental_unassign(revoked)


def _of_topic(whole: Chunk, topic: str, rows: np.ndarray) -> Chunk:
    part = whole.where(rows)
    return Chunk(topic, part.partitions, part.offsets, part.times_ms, part.keys, part.values)
