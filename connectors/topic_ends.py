"""The ends of topics, asked again and again over one connection."""

from collections.abc import Iterable
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from connectors.topics import unreachable
from datacentre import names

_CONNECT_MS = 1_000
_ANSWER_MS = 2_000


class TopicEnds:
    """Connects when first asked, and anew after a failure."""

    def __init__(self, bootstrap_servers: str):
        self._bootstrap_servers = bootstrap_servers
        self._consumer: Any = None

    def read(self, streams: Iterable[str]) -> dict[str, dict[int, int]]:
        """By stream and partition, the offset after the last committed record; a stream without a topic is left out.

        Raises SourceUnavailable when no broker answers within some three seconds.
        """
        try:
            self._consumer = self._consumer or self._connected()
            found = {key: self._consumer.partitions_for_topic(names.topic(key)) for key in streams}
            every = [TopicPartition(names.topic(key), p) for key, ps in found.items() if ps for p in ps]
            ends = self._consumer.end_offsets(every, timeout_ms=_ANSWER_MS)
        except (KafkaError, OSError, ValueError) as problem:
            self.close()
            raise unreachable(self._bootstrap_servers, problem) from None
        return {key: {p: ends[TopicPartition(names.topic(key), p)] for p in ps} for key, ps in found.items() if ps}

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connected(self) -> Any:
        return KafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            bootstrap_timeout_ms=_CONNECT_MS,
            request_timeout_ms=_ANSWER_MS,
        )
