"""The consumer seam of the sink, and kafka-python behind it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from connectors.topics import BOOTSTRAP_MS, unreachable
from datacentre.errors import CheckFailed

_POSITION_MS = 5_000

Partition = tuple[str, int]
Message = tuple[int, int, bytes | None, bytes | None]  # offset, broker time in ms, key, value


class Consumer(Protocol):
    """What the sink asks of a Kafka client: groups, read_committed, positions that span gaps."""

    def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, list[Message]]: ...
    def positions(self) -> Mapping[Partition, int]: ...
    def seek(self, partition: Partition, offset: int) -> None: ...
    def note(self, positions: Mapping[Partition, int]) -> None: ...
    def close(self) -> None: ...


class KafkaPythonConsumer:
    """A member of the sink's group. `on_assigned` and `on_revoked` run inside `poll`."""

    def __init__(
        self,
        bootstrap_servers: str,
        group: str,
        instance: str,
        topics: Iterable[str],
        on_assigned: Callable[[Iterable[Partition]], None],
        on_revoked: Callable[[Iterable[Partition]], None],
    ):
        self._bootstrap_servers = bootstrap_servers
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=bootstrap_servers,
                group_id=group,
                group_instance_id=instance or None,
                isolation_level="read_committed",
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_partition_fetch_bytes=4 * 1024 * 1024,
                session_timeout_ms=10_000,
                heartbeat_interval_ms=2_000,
            )
        except (KafkaError, OSError, ValueError) as problem:
            raise unreachable(bootstrap_servers, problem) from None
        self._consumer.subscribe(list(topics), listener=_Listener(on_assigned, on_revoked))

    def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, list[Message]]:
        # kafka-python 3.0.12 forgets a join whose answer came after a poll's end, and then waits for ever.
        coordinator = self._consumer._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()
        try:
            found = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000), max_records=max_records)
        except OffsetOutOfRangeError as problem:
            raise CheckFailed(
                f"the broker no longer has the offsets that the lake needs next ({problem}): retention removed "
                f"records before they were landed. See which with: datacentre verify"
            ) from None
        except KafkaError as problem:
            raise unreachable(self._bootstrap_servers, problem) from None
        return {
            (tp.topic, tp.partition): [(r.offset, r.timestamp, r.key, r.value) for r in records]
            for tp, records in found.items()
        }

    def positions(self) -> Mapping[Partition, int]:
        """Next offset to be read, gaps of aborted transactions included, by assigned partition."""
        try:
            known = {tp: self._consumer.position(tp, timeout_ms=_POSITION_MS) for tp in self._consumer.assignment()}
        except KafkaError as problem:
            raise unreachable(self._bootstrap_servers, problem) from None
        return {(tp.topic, tp.partition): offset for tp, offset in known.items() if offset is not None}

    def seek(self, partition: Partition, offset: int) -> None:
        self._consumer.seek(TopicPartition(*partition), offset)

    def note(self, positions: Mapping[Partition, int]) -> None:
        """Tell the group how far the lake is: for lag displays only, nothing reads it back."""
        with suppress(KafkaError):
            self._consumer.commit_async(
                {TopicPartition(*p): OffsetAndMetadata(o, "", -1) for p, o in positions.items()}
            )

    def close(self) -> None:
        self._consumer.close(autocommit=False)


class _Listener(ConsumerRebalanceListener):
    def __init__(
        self,
        on_assigned: Callable[[Iterable[Partition]], None],
        on_revoked: Callable[[Iterable[Partition]], None],
    ):
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._on_assigned([(tp.topic, tp.partition) for tp in assigned])

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._on_revoked([(tp.topic, tp.partition) for tp in revoked])
