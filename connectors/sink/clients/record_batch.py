"""A fetched Kafka record batch as a chunk of columns, without an object per record."""

import numpy as np
import pyarrow as pa
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch

from connectors.sink.arrays import binary
from connectors.sink.batch import Chunk


def chunk_of(batch: DefaultRecordBatch, topic: str, partition: int) -> Chunk:
    """The records of one batch of format 2; raises CorruptRecordError where the bytes don't fit its header."""
    from connectors.sink.clients import record_kernel

    batch._maybe_uncompress()
    data = np.frombuffer(batch._buffer, np.uint8)
    count = batch.records_count
    deltas, times = np.empty(count, np.int64), np.empty(count, np.int64)
    key_starts, key_ends, value_starts, value_ends = np.empty((4, count), np.int64)
    end = record_kernel.spans(data, batch._pos, deltas, times, key_starts, key_ends, value_starts, value_ends)
    if end != len(data):
        raise CorruptRecordError(f"{topic} partition {partition}: batch at offset {batch.base_offset} is no records")
    if batch.timestamp_type == DefaultRecordBatch.LOG_APPEND_TIME:
        times[:] = batch.max_timestamp
    else:
        times += batch.first_timestamp
    return Chunk(
        topic,
        np.full(count, partition, np.int32),
        batch.base_offset + deltas,
        times,
        _binary(data, key_starts, key_ends),
        _binary(data, value_starts, value_ends),
    )


def _binary(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    from connectors.sink.scan import kernel

    offsets = np.empty(len(starts) + 1, np.int32)
    present = starts >= 0
    gathered = kernel.gather(data, starts, ends, present, np.arange(len(starts)), offsets)
    return binary(gathered, offsets, present)
