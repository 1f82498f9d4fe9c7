"""A trigger that reads the topic of commits: one Kafka consumer in the triggerer for the watchers of all streams."""

import asyncio
import os
from collections.abc import AsyncIterator, Hashable
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from kafka import KafkaConsumer

TOPIC = "_commits"
BROKER = "BENCH_BROKER"
_POLL_MS = 1_000


class CommitTrigger(BaseEventTrigger):
    """Fires for every commit of one stream."""

    def __init__(self, stream: str):
        super().__init__()
        self.stream = stream

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "bench.announce.commit_trigger.CommitTrigger", {"stream": self.stream}

    def shared_stream_key(self) -> Hashable:
        return (TOPIC,)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[tuple[str, str]]:
        consumer = await asyncio.to_thread(
            KafkaConsumer, TOPIC, bootstrap_servers=os.environ[BROKER], auto_offset_reset="latest"
        )
        try:
            while True:
                for records in (await asyncio.to_thread(consumer.poll, timeout_ms=_POLL_MS)).values():
                    for record in records:
                        yield record.key.decode(), record.value.decode()
        finally:
            await asyncio.to_thread(consumer.close)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for stream, number in shared_stream:
            if stream == self.stream:
                yield TriggerEvent(number)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        async for raw in self.filter_shared_stream(self.open_shared_stream({})):
            yield raw
