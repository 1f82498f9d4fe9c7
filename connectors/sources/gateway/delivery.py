"""Sends messages to Kafka and tells each request when all of its own are acknowledged."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import confluent_kafka

from connectors.sources.gateway.check import Message
from datacentre.errors import SourceUnavailable

log = logging.getLogger("datacentre.gateway")

LONGEST_MESSAGE = 1_000_000
"""Bytes of key and value; a broker takes a little more unless told otherwise."""

_POLL_SECONDS = 0.1
# While a broker is away, the client complains many times a second.
_TELL_SECONDS = 10.0
_FATAL = confluent_kafka.KafkaError._FATAL


class Delivery:
    """One idempotent producer for all requests: all replicas acknowledge, order by key is kept."""

    def __init__(self, bootstrap_servers: str, timeout_seconds: float = 10.0):
        self._settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "client.id": "datacentre-gateway",
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            # As kafka-python and Java place a key, so that one case stays in one partition.
            "partitioner": "murmur2_random",
            "allow.auto.create.topics": False,
            "message.timeout.ms": int(timeout_seconds * 1000),
            "message.max.bytes": LONGEST_MESSAGE + 10_000,
            "error_cb": self._warned,
            "log_level": 0,
        }
        self._servers = bootstrap_servers
        self._is_dead = False
        self._told_at = -_TELL_SECONDS
        self._is_closing = threading.Event()
        self._client = confluent_kafka.Producer(self._settings)
        self._poller = threading.Thread(target=self._poll, name="kafka-delivery", daemon=True)
        self._poller.start()

    async def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Return when every message is acknowledged; raises SourceUnavailable when one isn't.

        Some may be in the topic then: sending the same again is safe, a repeated event counts once.
        """
        if self._is_dead:
            self._renew()
        pending = _Pending(asyncio.get_running_loop(), len(messages))
        for position, message in enumerate(messages):
            try:
                self._client.produce(topic, message.value, message.key, on_delivery=pending.delivered)
            except (BufferError, confluent_kafka.KafkaException) as problem:
                pending.failed(len(messages) - position, problem)
                break
        failure = await pending.done
        if failure is not None:
            raise SourceUnavailable(
                f"the broker at {self._servers} did not take all records of {topic}: {_line(failure)}"
            )

    def answers(self, timeout_seconds: float = 2.0) -> bool:
        """Whether a broker tells its topics; blocks."""
        try:
            return bool(self._client.list_topics(timeout=timeout_seconds).brokers)
        except confluent_kafka.KafkaException:
            return False

    def close(self) -> None:
        """Wait for what is being sent, then stop."""
        self._client.flush(self._settings["message.timeout.ms"] / 1000)
        self._is_closing.set()
        self._poller.join()

    def _poll(self) -> None:
        while not self._is_closing.is_set():
            self._client.poll(_POLL_SECONDS)

    def _warned(self, error: confluent_kafka.KafkaError) -> None:
        if error.code() == _FATAL:
            self._is_dead = True
        if time.monotonic() - self._told_at > _TELL_SECONDS:
            self._told_at = time.monotonic()
            log.warning("kafka: %s", error.str())

    def _renew(self) -> None:
        """After a fatal error the client takes nothing more; those that wait for it are told."""
        old, self._client = self._client, confluent_kafka.Producer(self._settings)
        self._is_dead = False
        old.purge()
        old.flush(1.0)


class _Pending:
    """Counts the acknowledgements of one request; `done` gives the first failure, or None."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int):
        self.done: asyncio.Future[object] = loop.create_future()
        self._loop, self._waiting = loop, count
        self._problem: object = None
        self._lock = threading.Lock()
        if not count:
            self.done.set_result(None)

    def delivered(self, error: object, message: object) -> None:
        self._settle(1, error)

    def failed(self, count: int, problem: object) -> None:
        self._settle(count, problem)

    def _settle(self, count: int, problem: object) -> None:
        with self._lock:
            self._problem = self._problem or problem
            self._waiting -= count
            is_last = not self._waiting
        if is_last:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self._problem)


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
