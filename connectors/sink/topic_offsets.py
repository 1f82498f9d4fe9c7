"""Every offset that a topic really holds, read from the broker: what the lake is reconciled with."""

from collections.abc import Callable

import numpy as np
from kafka import TopicPartition

from connectors.committed_records import consuming, polls
from connectors.topics import Topic


def read_offsets(bootstrap_servers: str, topic: Topic, told: Callable[[int], None]) -> dict[int, np.ndarray]:
    """Offsets of committed records by partition, ascending int64, up to `topic.end_offsets`.

    `told` receives the number of records just read. Raises SourceUnavailable when the broker stops answering.
    """
    tops = [TopicPartition(topic.name, p) for p in topic.partitions]
    found: dict[int, list[int]] = {p: [] for p in topic.partitions}
    with consuming(bootstrap_servers, "earliest") as consumer:
        consumer.assign(tops)
        for tp in tops:
            consumer.seek(tp, topic.first_offsets[tp.partition])

        def is_read() -> bool:
            return all(consumer.position(tp) >= topic.end_offsets[tp.partition] for tp in tops)

        for records in polls(consumer, topic.name, is_read):
            for tp, messages in records.items():
                found[tp.partition].extend(m.offset for m in messages)
            told(sum(len(m) for m in records.values()))
    arrays = {p: np.asarray(offsets, dtype=np.int64) for p, offsets in found.items()}
    return {p: a[a < topic.end_offsets[p]] for p, a in arrays.items()}
