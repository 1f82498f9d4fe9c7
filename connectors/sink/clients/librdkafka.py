"""librdkafka (confluent-kafka) behind the sink's seam."""

import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.sink.batch import Chunk
from connectors.sink.clients.message_queue import Event, MessageQueues
from connectors.sink.clients.seam import Membership, Partition
from connectors.topics import BOOTSTRAP_MS, unreachable
from datacentre.errors import CheckFailed, SourceUnavailable

_EVENTS = 1_000
_HEARTBEAT_MS = 100  # members hear of a rebalance by it: a cooperative one takes two
_LEAST_FETCH_BYTES = 1_000_000  # the client wants room for one message of its default size
_WATERMARK_SECONDS = 5.0
_CLOSE_SECONDS = 10.0
_LOST_OFFSETS = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


class LibrdkafkaConsumer:
    """A member of the sink's group. Its network threads go on while Python works."""

    def __init__(self, membership: Membership):
        self._membership = membership
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._problem: Exception | None = None
        self._is_closed = False
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
            "heartbeat.interval.ms": min(_HEARTBEAT_MS, membership.session_ms // 5),
            "max.poll.interval.ms": 300_000,
            "fetch.wait.max.ms": 100,
            "fetch.message.max.bytes": min(1024 * 1024, membership.fetch_bytes),
            "fetch.max.bytes": max(_LEAST_FETCH_BYTES, membership.fetch_bytes),
            "queued.max.messages.kbytes": max(1024, membership.fetch_bytes // 1024 // len(membership.topics)),
            "queued.min.messages": 100_000,
            "fetch.queue.backoff.ms": 5,  # its default sleeps a second each time the queue is full
            "log_level": 0,
            "error_cb": lambda error: None,
        }
        if membership.instance:
            settings["group.instance.id"] = membership.instance
        self._client = Consumer(settings)
        self._held: frozenset[str] = frozenset()
        # Partitions that have told nothing since they were assigned. What an earlier assignment leaves to stop undoes
        # their forwarding at a moment of its own, so it is done again; each tells of a record or of its end.
        self._silent: set[Partition] = set()
        try:
            self._client.list_topics(timeout=BOOTSTRAP_MS / 1000)
        except KafkaException as problem:
            raise unreachable(membership.bootstrap_servers, problem) from None
        self._queues = MessageQueues(self._client, membership.topics)
        self._client.subscribe(
            list(membership.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self, timeout_seconds: float) -> list[Chunk]:
        chunks = self._take()
        if not chunks:
            self._queues.wait(timeout_seconds)
            chunks = self._take()
        return chunks

    def _take(self) -> list[Chunk]:
        """What is there. A problem is raised before anything is taken from the queues: nothing may be lost with it."""
        self._serve_group()
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem
        self._queues.forward(self._silent)
        chunks, events = self._queues.take(self._held)
        for chunk in chunks:
            for partition, offset in chunk.following().items():
                at = (chunk.topic, partition)
                self._silent.discard(at)
                if at in self._positions:
                    self._positions[at] = max(self._positions[at], offset)
        for event in events:
            self._silent.discard(event.at)
            self._told(event)
        return chunks

    def _serve_group(self) -> None:
        """Let the client tell of partitions and failures; every record comes by the queues."""
        for message in self._client.consume(_EVENTS, 0):
            error, topic, partition = message.error(), message.topic() or "", message.partition() or 0
            if error is None:
                raise AssertionError(f"{topic} partition {partition} was not forwarded")
            self._told(Event((topic, partition), error.code(), message.offset() or 0))

    def _told(self, event: Event) -> None:
        """The end of a partition, or a failure: that becomes the problem of the next poll."""
        at = event.at
        if event.code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
            servers, reason = self._membership.bootstrap_servers, KafkaError(event.code).str()
            self._problem = SourceUnavailable(f"the Kafka broker at {servers} refuses: {reason}")
        elif at not in self._positions:
            return
        elif event.code == KafkaError._PARTITION_EOF:
            self._positions[at] = max(self._positions[at], event.offset)
            self._ends[at] = event.offset
        elif event.code in _LOST_OFFSETS:
            self._ask_again(at)

    def _ask_again(self, at: Partition) -> None:
        """The client also gives up for passing reasons: where the broker has the offset, it is asked again."""
        position = self._positions[at]
        with suppress(KafkaException):
            first, end = self._client.get_watermark_offsets(TopicPartition(*at), timeout=_WATERMARK_SECONDS)
            if not first <= position <= end:
                self._problem = CheckFailed(
                    f"the broker no longer has the offsets that the lake needs next ({at[0]} partition {at[1]} from "
                    f"{position}; it has {first} to {end}): retention removed records before they were landed, or the "
                    f"topic was made anew. See which with: datacentre verify"
                )
        self.seek(at, position)

    def positions(self) -> Mapping[Partition, int]:
        return dict(self._positions)

    def seek(self, partition: Partition, offset: int) -> None:
        # A seek is refused before the first fetch; taking the partition anew also drops what was fetched.
        if partition in self._positions and not self._is_closed:
            self._client.incremental_unassign([TopicPartition(*partition)])
            self._assign({partition: offset})

    def _assign(self, places: Mapping[Partition, int]) -> None:
        self._positions.update(places)
        self._silent.update(places)
        self._queues.forward(places)
        self._client.incremental_assign([TopicPartition(*at, offset) for at, offset in places.items()])

    def hold(self, topics: Iterable[str]) -> None:
        self._held = frozenset(topics)

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
        self._is_closed = True
        self._queues.close()
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
            self._silent.discard(at)
        if not self._is_closed:  # then nobody waits for it, and it may come late
            self._membership.on_revoked(gone)
        client.incremental_unassign(revoked)
