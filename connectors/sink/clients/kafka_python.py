"""kafka-python behind the sink's seam, reading record batches in columns.

The client does all of the protocol; only the step from a record batch's bytes to records is replaced, once the
compiled pass is ready: objects per record are what makes it slow.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CorruptRecordError, KafkaError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from connectors.sink.batch import Chunk
from connectors.sink.clients.record_batch import chunk_of
from connectors.sink.clients.seam import Membership, Partition
from connectors.sink.scan import warm
from connectors.topics import BOOTSTRAP_MS, unreachable
from datacentre.errors import CheckFailed

_POSITION_MS = 5_000
_HEARTBEAT_MS = 300  # members hear of a rebalance by it: a cooperative one takes two
_CLOSE_MS = 5_000
_POLL_BATCHES = 8
_POLL_RECORDS = 20_000
_POSITIONS_SECONDS = 0.1


class KafkaPythonConsumer:
    """A member of the sink's group."""

    def __init__(self, membership: Membership):
        self._servers = membership.bootstrap_servers
        self._positions: dict[Partition, int] = {}
        self._looked_at = 0.0
        try:
            self._client = KafkaConsumer(
                bootstrap_servers=membership.bootstrap_servers,
                group_id=membership.group,
                group_instance_id=membership.instance or None,
                isolation_level="read_committed",
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                enable_auto_commit=False,
                auto_offset_reset="none",
                partition_assignment_strategy=[CooperativeStickyAssignor],
                max_partition_fetch_bytes=min(1024 * 1024, membership.fetch_bytes),
                fetch_max_bytes=membership.fetch_bytes,
                receive_buffer_bytes=1024 * 1024,
                session_timeout_ms=membership.session_ms,
                heartbeat_interval_ms=min(_HEARTBEAT_MS, membership.session_ms // 5),
            )
        except (KafkaError, OSError, ValueError) as problem:
            raise unreachable(membership.bootstrap_servers, problem) from None
        self._client._fetcher.PartitionRecords = _records
        self._client.subscribe(list(membership.topics), listener=_Listener(membership, self))

    def poll(self, timeout_seconds: float) -> list[Chunk]:
        self._mend()
        most = _POLL_BATCHES if warm.is_ready() else _POLL_RECORDS
        try:
            found = self._client.poll(timeout_ms=int(timeout_seconds * 1000), max_records=most)
        except OffsetOutOfRangeError as problem:
            raise CheckFailed(
                f"the broker no longer has the offsets that the lake needs next ({problem}): retention removed "
                f"records before they were landed. See which with: datacentre verify"
            ) from None
        except KafkaError as problem:
            raise unreachable(self._servers, problem) from None
        chunks = [chunk for tp, records in found.items() for chunk in _chunks(tp, records)]
        self._look(all_of_them=not chunks)
        for chunk in chunks:
            for partition, offset in chunk.following().items():
                at = (chunk.topic, partition)
                self._positions[at] = max(offset, self._positions.get(at, 0))
        return chunks

    def _mend(self) -> None:
        """What kafka-python 3.0.12 forgets: a join whose answer came after a poll's end, and the parsed records of a
        partition that was paused, for as long as the last partition that was read has nothing left."""
        coordinator, fetcher = self._client._coordinator, self._client._fetcher
        if coordinator.rejoining:
            coordinator.request_rejoin()
        if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def _look(self, all_of_them: bool) -> None:
        """Ask the client for its positions: they pass gaps that give no record. Asking costs, so not at each poll."""
        now = time.monotonic()
        if not all_of_them and now - self._looked_at < _POSITIONS_SECONDS:
            return
        self._looked_at = now
        try:
            known = {tp: self._client.position(tp, timeout_ms=_POSITION_MS) for tp in self._client.assignment()}
        except KafkaError:  # not a failure of the poll: the records it gave must not be dropped
            return
        self._positions = {(tp.topic, tp.partition): offset for tp, offset in known.items() if offset is not None}

    def positions(self) -> Mapping[Partition, int]:
        assigned = {(tp.topic, tp.partition) for tp in self._client.assignment()}
        return {at: offset for at, offset in self._positions.items() if at in assigned}

    def seek(self, partition: Partition, offset: int) -> None:
        tp = TopicPartition(*partition)
        if tp in self._client.assignment():
            self._client.seek(tp, offset)
            self._positions[partition] = offset

    def forget(self, partitions: Iterable[Partition]) -> None:
        """A position from before a revocation must not pass for one after the next assignment."""
        for partition in partitions:
            self._positions.pop(partition, None)

    def hold(self, topics: Iterable[str]) -> None:
        held, paused = set(topics), self._client.paused()
        wanted = {tp for tp in self._client.assignment() if tp.topic in held}
        self._client.pause(*(wanted - paused))
        self._client.resume(*(paused - wanted))

    def note(self, positions: Mapping[Partition, int]) -> None:
        with suppress(KafkaError):
            self._client.commit_async({TopicPartition(*p): OffsetAndMetadata(o, "", -1) for p, o in positions.items()})

    def ends(self) -> Mapping[Partition, int]:
        known = {tp: self._client.highwater(tp) for tp in self._client.assignment()}
        return {(tp.topic, tp.partition): end for tp, end in known.items() if end is not None}

    def close(self) -> None:
        self._client.close(autocommit=False, timeout_ms=_CLOSE_MS)


class _Listener(ConsumerRebalanceListener):
    def __init__(self, membership: Membership, consumer: KafkaPythonConsumer):
        self._membership, self._consumer = membership, consumer

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        places = self._membership.on_assigned([(tp.topic, tp.partition) for tp in assigned])
        for at, offset in places.items():
            self._consumer.seek(at, offset)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        gone = [(tp.topic, tp.partition) for tp in revoked]
        self._consumer.forget(gone)
        self._membership.on_revoked(gone)


def _records(*arguments: Any, **options: Any) -> Any:
    kind = _ColumnRecords if warm.is_ready() else Fetcher.PartitionRecords
    return kind(*arguments, **options)


def _chunks(tp: TopicPartition, records: list[Any]) -> Iterator[Chunk]:
    """What a poll returned for one partition: chunks, or records from before the pass was ready."""
    plain = [r for r in records if not isinstance(r, Chunk)]
    if plain:
        yield Chunk.of(tp.topic, ((tp.partition, r.offset, r.timestamp, r.key, r.value) for r in plain))
    yield from (r for r in records if isinstance(r, Chunk))


class _ColumnRecords(Fetcher.PartitionRecords):
    """A fetched partition that gives a chunk per record batch; what belongs to aborted transactions is left out."""

    def _maybe_skip_record(self, record: Any) -> bool:
        return False

    def _unpack_records(
        self, tp: TopicPartition, records: Any, key_deserializer: Any, value_deserializer: Any
    ) -> Iterator[Any]:
        batch = records.next_batch()
        while batch is not None:
            if batch.magic != 2:
                raise CorruptRecordError(f"{tp.topic}: message format {batch.magic}; the broker must write format 2")
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(
                    f"{tp.topic} partition {tp.partition}: batch at offset {batch.base_offset} fails its checksum"
                )
            self.leader_epoch = batch.leader_epoch
            is_read = self._is_read(batch)
            self.next_fetch_offset = batch.next_offset
            if is_read:
                chunk = chunk_of(batch, tp.topic, tp.partition)
                chunk = chunk.where(chunk.offsets >= self.fetch_offset)  # a fetch may begin within a batch
                self.bytes_read += batch.size_in_bytes
                self.records_read += len(chunk)
                if len(chunk):
                    yield chunk
            batch = records.next_batch()
        self.drain()

    def _is_read(self, batch: Any) -> bool:
        """Whether the batch holds committed records; follows the transactions' markers (KIP-98)."""
        if batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return False
        return not batch.is_control_batch
