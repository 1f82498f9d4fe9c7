"""Sending to Kafka so that nothing is lost silently: two clients behind one small seam.

Both wait for all replicas, are idempotent, compress with lz4 and place a key in the same partition.
"""

from typing import Any, Protocol

import confluent_kafka
from kafka import KafkaProducer
from kafka.errors import KafkaError

from datacentre.errors import SourceUnavailable

_LINGER_MS = 20


class Producer(Protocol):
    """Takes records; what isn't acknowledged is told at a later `send` or by `flush` at the latest."""

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Queue one record; raises SourceUnavailable when the broker doesn't answer."""

    def flush(self) -> None:
        """Wait for every acknowledgement; raises SourceUnavailable when one doesn't come."""


class KafkaPythonProducer:
    """kafka-python: pure Python, about ten thousand records a second."""

    def __init__(self, bootstrap_servers: str, timeout_seconds: float = 30.0):
        self._servers, self._timeout_seconds = bootstrap_servers, timeout_seconds
        self._unsent: list[BaseException] = []
        timeout_ms = int(timeout_seconds * 1000)
        try:
            self._client = KafkaProducer(
                bootstrap_servers=bootstrap_servers.split(","),
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=_LINGER_MS,
                batch_size=256 * 1024,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=timeout_ms,
                max_block_ms=timeout_ms,
                request_timeout_ms=max(1000, timeout_ms // 2),
                delivery_timeout_ms=timeout_ms,
            )
        except KafkaError as error:
            raise _unavailable(bootstrap_servers, error) from None

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        self._check()
        try:
            self._client.send(topic, key=key, value=value).add_errback(self._unsent.append)
        except KafkaError as error:
            raise _refused(self._servers, topic, error) from None

    def flush(self) -> None:
        try:
            self._client.flush(timeout=2 * self._timeout_seconds)
        except KafkaError as error:
            raise _unavailable(self._servers, error) from None
        self._check()

    def close(self) -> None:
        """Let go of the connection; what was not flushed is given up."""
        self._client.close(timeout=0)

    def _check(self) -> None:
        if self._unsent:
            raise _not_acknowledged(self._servers, len(self._unsent), self._unsent[0])


class LibrdkafkaProducer:
    """librdkafka: for sending flat out, above a hundred thousand records a second."""

    def __init__(self, bootstrap_servers: str, timeout_seconds: float = 30.0):
        self._servers, self._timeout_seconds = bootstrap_servers, timeout_seconds
        self._unsent: list[object] = []
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": _LINGER_MS,
            "batch.num.messages": 20_000,
            "queue.buffering.max.kbytes": 128 * 1024,
            # kafka-python's and Java's choice of partition; librdkafka's own default differs.
            "partitioner": "murmur2_random",
            "allow.auto.create.topics": False,
            "message.timeout.ms": int(timeout_seconds * 1000),
            "delivery.report.only.error": True,
            "on_delivery": self._delivered,
            "error_cb": self._warned,
            "log_level": 0,
        }
        self._last_warning: object = "no answer"
        self._client = confluent_kafka.Producer(settings)

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        while True:
            try:
                self._client.produce(topic, value, key)
                break
            except BufferError:
                # The queue is full; a record that can't be sent leaves it by its own timeout.
                self._client.poll(0.1)
                self._check()
            except confluent_kafka.KafkaException as error:
                raise _refused(self._servers, topic, error) from None
        self._client.poll(0)
        self._check()

    def flush(self) -> None:
        waiting = self._client.flush(2 * self._timeout_seconds)
        self._check()
        if waiting:
            raise _not_acknowledged(self._servers, waiting, self._last_warning)

    def close(self) -> None:
        """Give up what was not flushed."""
        self._client.purge()

    def _delivered(self, error: object, message: object) -> None:
        if error is not None:
            self._unsent.append(error)

    def _warned(self, error: object) -> None:
        self._last_warning = error

    def _check(self) -> None:
        if self._unsent:
            raise _not_acknowledged(self._servers, len(self._unsent), self._unsent[0])


def _unavailable(servers: str, error: BaseException) -> SourceUnavailable:
    return SourceUnavailable(f"no broker answers at {servers} ({_line(error)}); is it running?")


def _refused(servers: str, topic: str, error: BaseException) -> SourceUnavailable:
    return SourceUnavailable(f"the broker at {servers} takes no record for topic {topic}: {_line(error)}")


def _not_acknowledged(servers: str, count: int, error: object) -> SourceUnavailable:
    return SourceUnavailable(f"{count} record(s) not acknowledged by the broker at {servers}: {_line(error)}")


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
