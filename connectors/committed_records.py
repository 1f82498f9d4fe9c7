"""Committed records of a topic, polled until a position is reached, or the broker is silent for too long."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from connectors.topics import BOOTSTRAP_MS, unreachable
from datacentre.errors import SourceUnavailable

Polled = Mapping[TopicPartition, Sequence[Any]]

_PATIENCE_POLLS = 60
_POLL_MS = 500
_MAX_RECORDS = 20_000


@contextmanager
def consuming(bootstrap_servers: str, auto_offset_reset: str) -> Iterator[KafkaConsumer]:
    """A consumer without a group; raises SourceUnavailable when the broker stops answering."""
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            enable_auto_commit=False,
            auto_offset_reset=auto_offset_reset,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
    except (KafkaError, OSError, ValueError) as problem:
        raise unreachable(bootstrap_servers, problem) from None
    try:
        yield consumer
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        consumer.close()


def polls(consumer: KafkaConsumer, topic: str, is_read: Callable[[], bool]) -> Iterator[Polled]:
    """What each poll brings, until all `is_read`; raises SourceUnavailable after 30 seconds without a record."""
    idle = 0
    while not is_read():
        records: Polled = consumer.poll(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        idle = 0 if records else idle + 1
        if idle > _PATIENCE_POLLS:
            raise SourceUnavailable(f"{topic}: the broker gave no record for {idle * _POLL_MS // 1000} s")
        yield records
