"""The records of a librdkafka consumer, taken from queues of its C library in columns.

confluent-kafka makes an object per message, and six calls to read it, all under Python's lock: 1.6 s of CPU per
million records beside which no commit can work. So the partitions' own queues are forwarded to some that this
module reads through the library's public functions; membership, positions and everything else stay with
confluent-kafka. docs/decisions/008 has the figures.
"""

import ctypes
import os
import select
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import confluent_kafka
import llvmlite.binding as llvm
import numpy as np

from connectors.sink.arrays import binary
from connectors.sink.batch import Chunk
from connectors.sink.clients.seam import Partition

_TAKE = 5_000
_RING = (1).to_bytes(8, "little")  # what an eventfd is written
_HANDLE_OFFSET = object.__basicsize__  # confluent-kafka's `Handle` begins with the client's pointer, after the header


def _library() -> ctypes.CDLL:
    """The library that confluent-kafka's wheel carries, and has loaded."""
    folder = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    (path,) = folder.glob("librdkafka*")
    llvm.load_library_permanently(str(path))
    library = ctypes.CDLL(str(path))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("rd_kafka_queue_new", pointer, [pointer]),
        ("rd_kafka_queue_destroy", None, [pointer]),
        ("rd_kafka_queue_get_partition", pointer, [pointer, text, ctypes.c_int32]),
        ("rd_kafka_queue_forward", None, [pointer, pointer]),
        ("rd_kafka_queue_get_consumer", pointer, [pointer]),
        ("rd_kafka_queue_io_event_enable", None, [pointer, ctypes.c_int, text, ctypes.c_size_t]),
        ("rd_kafka_consume_batch_queue", ctypes.c_ssize_t, [pointer, ctypes.c_int, pointer, ctypes.c_size_t]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_rd = _library()


@dataclass(frozen=True)
class Event:
    """What a queue tells that is not a record: an error code of librdkafka at a partition."""

    at: Partition
    code: int
    offset: int


class MessageQueues:
    """One queue per topic of a consumer, for all its partitions that are forwarded.

    A topic that waits is left unread: the library stops to fetch it when its queue is full. A pause of the client
    would throw away what has been fetched.
    """

    def __init__(self, consumer: confluent_kafka.Consumer, topics: Iterable[str]):
        self._client = ctypes.c_void_p.from_address(id(consumer) + _HANDLE_OFFSET).value
        self._queues = {topic: _rd.rd_kafka_queue_new(self._client) for topic in topics}
        self._messages = np.empty(_TAKE, np.uintp)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._group = _rd.rd_kafka_queue_get_consumer(self._client)
        for queue in (*self._queues.values(), self._group):
            _rd.rd_kafka_queue_io_event_enable(queue, self._bell, _RING, len(_RING))

    def forward(self, partitions: Iterable[Partition]) -> None:
        """Have these partitions' records come here, those that wait too; to be called before they are assigned."""
        for topic, partition in partitions:
            if (target := self._queues.get(topic)) is not None:
                queue = _rd.rd_kafka_queue_get_partition(self._client, topic.encode(), partition)
                _rd.rd_kafka_queue_forward(queue, target)
                _rd.rd_kafka_queue_destroy(queue)  # this reference to it

    def take(self, held: Collection[str]) -> tuple[list[Chunk], list[Event]]:
        """Some 5,000 records that are there, and events, of the topics that are not `held`."""
        opened = [topic for topic in self._queues if topic not in held]
        chunks: list[Chunk] = []
        events: list[Event] = []
        for topic in opened:
            found = _rd.rd_kafka_consume_batch_queue(
                self._queues[topic], 0, self._messages.ctypes.data, _TAKE // len(opened)
            )
            if found > 0:
                chunk, told = _columns(topic, self._messages[:found])
                chunks += [chunk] if len(chunk) else []
                events += told
        return chunks, events

    def wait(self, timeout_seconds: float) -> None:
        """Return when an empty queue, or the group's, has got something since the last wait, or after the timeout."""
        select.select([self._bell], [], [], timeout_seconds)
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    def close(self) -> None:
        """Give the queues back; to be called before the consumer is closed. Nothing is forwarded after that."""
        if self._queues:
            for queue in (*self._queues.values(), self._group):
                _rd.rd_kafka_queue_io_event_enable(queue, -1, None, 0)
                _rd.rd_kafka_queue_destroy(queue)
            os.close(self._bell)
            self._queues = {}


def load_kernel() -> ModuleType:
    """The compiled functions: a second where they are not in the cache yet, a quarter where they are."""
    from connectors.sink.clients import message_kernel

    return message_kernel


def _columns(topic: str, messages: np.ndarray) -> tuple[Chunk, list[Event]]:
    message_kernel = load_kernel()
    count = len(messages)
    errors, partitions = np.empty((2, count), np.int32)
    offsets, times = np.empty((2, count), np.int64)
    has_key, has_value = np.empty((2, count), np.bool_)
    key_ends, value_ends = np.empty((2, count + 1), np.int32)
    message_kernel.describe(messages, errors, partitions, offsets, times, has_key, has_value, key_ends, value_ends)
    events = [Event((topic, int(partitions[n])), int(errors[n]), int(offsets[n])) for n in np.flatnonzero(errors)]
    keys, values = np.empty(key_ends[-1], np.uint8), np.empty(value_ends[-1], np.uint8)
    message_kernel.take(messages, key_ends, value_ends, keys, values)
    whole = Chunk(
        topic, partitions, offsets, times, binary(keys, key_ends, has_key), binary(values, value_ends, has_value)
    )
    return whole.where(errors == 0), events
