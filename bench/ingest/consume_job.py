"""Only consuming: a client polls its partitions to their ends and drops the records. One JSON argument."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any


def main(order: dict[str, Any]) -> None:
    """Say `ready` with the first record, and at the end how many there were in how many seconds."""
    ends = {int(p): end for p, end in order["ends"].items()}
    take = {"kafka-python": _kafka_python, "librdkafka": _librdkafka}[order["client"]]
    begun, seen = 0.0, 0
    for count in take(order["servers"], order["topic"], ends):
        if not begun:
            begun = time.monotonic()
            _say(event="ready", at=begun)
        seen += count
    _say(event="end", at=time.monotonic(), records=seen)


def _kafka_python(servers: str, topic: str, ends: dict[int, int]) -> Iterator[int]:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    partitions = [TopicPartition(topic, p) for p in ends]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    last = dict.fromkeys(ends, -1)
    while any(last[p] + 1 < end for p, end in ends.items()):
        for partition, records in consumer.poll(timeout_ms=200, max_records=20_000).items():
            last[partition.partition] = records[-1].offset
            yield len(records)
    consumer.close()


def _librdkafka(servers: str, topic: str, ends: dict[int, int]) -> Iterator[int]:
    import confluent_kafka

    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "bench-consume",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            # The default makes the client sleep for a second whenever its queue is full.
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in ends])
    last = dict.fromkeys(ends, -1)
    while any(last[p] + 1 < end for p, end in ends.items()):
        messages = consumer.consume(20_000, 0.2)
        for message in messages:
            # What any consumer looks at: where the record came from and what it holds.
            last[int(message.partition() or 0)] = int(message.offset() or 0)
            message.value()
        if messages:
            yield len(messages)
    consumer.close()


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
