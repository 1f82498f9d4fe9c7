"""Record batches in columns hold what kafka-python itself reads from them."""

import pytest
from kafka.errors import CorruptRecordError
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from connectors.sink.clients.record_batch import chunk_of

CODECS = {"none": 0, "gzip": 1, "lz4": 3, "zstd": 4}
RECORDS = [
    (b"k", b"v"),
    (None, b"no key"),
    (b"gone", None),
    (b"", b""),
    ("\u0f40".encode(), b"\x00" * 300),
    (b"long", b"x" * 70_000),
]


def built(codec: int, base_offset: int = 0) -> bytes:
    builder = MemoryRecordsBuilder(2, codec, 1 << 20, offset=base_offset)
    for number, (key, value) in enumerate(RECORDS):
        headers = [("trace", b"1"), ("empty", None)] if number % 2 else []
        assert builder.append(1_780_000_000_000 + number * 1_000, key, value, headers)
    builder.close()
    return bytes(builder.buffer())


@pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))
def test_every_codec_key_value_and_time(codec: int) -> None:
    data = built(codec)
    chunk = chunk_of(MemoryRecords(data).next_batch(), "topic", 3)
    plain = list(MemoryRecords(data).next_batch())
    assert list(zip(chunk.keys.to_pylist(), chunk.values.to_pylist(), strict=True)) == RECORDS
    assert chunk.offsets.tolist() == [r.offset for r in plain]
    assert chunk.times_ms.tolist() == [r.timestamp for r in plain]
    assert chunk.partitions.tolist() == [3] * len(RECORDS)


@pytest.mark.parametrize("cut", [1, 5, 400])
def test_bytes_that_end_too_early_are_told(cut: int) -> None:
    batch = MemoryRecords(built(0)).next_batch()
    batch._buffer = batch._buffer[:-cut]
    with pytest.raises(CorruptRecordError, match="topic partition 0: batch at offset 0 is no records"):
        chunk_of(batch, "topic", 0)
