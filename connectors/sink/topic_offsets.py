"""Every offset that a topic really holds, read from the broker: what the lake is reconciled with."""

from collections.abc import Callable

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from connectors.topics import BOOTSTRAP_MS, Topic, unreachable
from datacentre.errors import SourceUnavailable

_PATIENCE_POLLS = 60


def read_offsets(bootstrap_servers: str, topic: Topic, told: Callable[[int], None]) -> dict[int, np.ndarray]:
    """Offsets of committed records by partition, ascending int64, up to `topic.end_offsets`.

    `told` receives the number of records just read. Raises SourceUnavailable when the broker stops answering.
    """
    tops = [TopicPartition(topic.name, p) for p in topic.partitions]
    found: dict[int, list[int]] = {p: [] for p in topic.partitions}
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
    except (KafkaError, OSError, ValueError) as problem:
        raise unreachable(bootstrap_servers, problem) from None
    try:
        consumer.assign(tops)
        for tp in tops:
            consumer.seek(tp, topic.first_offsets[tp.partition])
        idle = 0
        while any(consumer.position(tp) < topic.end_offsets[tp.partition] for tp in tops):
            records = consumer.poll(timeout_ms=500, max_records=20_000)
            idle = 0 if records else idle + 1
            if idle > _PATIENCE_POLLS:
                raise SourceUnavailable(f"{topic.name}: the broker gave no record for {idle // 2} s")
            for tp, messages in records.items():
                found[tp.partition].extend(m.offset for m in messages)
            told(sum(len(m) for m in records.values()))
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        consumer.close()
    arrays = {p: np.asarray(offsets, dtype=np.int64) for p, offsets in found.items()}
    return {p: a[a < topic.end_offsets[p]] for p, a in arrays.items()}
