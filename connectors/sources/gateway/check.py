"""The sink's own row check, asked before a record is sent.

One question costs tens of milliseconds however few its records, so questions that come while one is being
answered are put together and answered at once.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec
import pyarrow as pa

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Splitter
from datacentre.contracts import Contract
from datacentre.pseudonym import PseudonymKey

Broken = Mapping[int, tuple[str, ...]]
_GROUP_RECORDS = 20_000


class Message(NamedTuple):
    """A record, or without a value a deletion, as it goes to Kafka."""

    key: bytes
    value: bytes | None

    @property
    def size(self) -> int:
        return len(self.key) + len(self.value or b"")


class KeyReader:
    """Finds a record's Kafka key: the field that the contract names."""

    def __init__(self, contract: Contract):
        self._field = contract.kafka_key
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Keyed", [(contract.kafka_key, str)]))

    def message(self, value: bytes) -> Message:
        """A record whose key can't be read gets an empty one: the row check refuses it for the field itself."""
        try:
            return Message(getattr(self._decoder.decode(value), self._field).encode(), value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Message(b"", value)


class RowCheck:
    """Not safe for several threads. The pseudonyms it makes are thrown away, so any key will do."""

    def __init__(self, contract: Contract):
        self._splitter = Splitter(contract, PseudonymKey("unused", secrets.token_bytes(32)))

    def broken(self, messages: Sequence[Message]) -> Broken:
        """All broken rules by position, for the messages that broke one; broker time is now."""
        quarantine = self._splitter.split(_batch(messages, int(time.time() * 1000))).quarantine
        rules = (tuple(names) for names in quarantine["broken_rules"].to_pylist())
        return dict(zip(quarantine["kafka_offset"].to_pylist(), rules, strict=True))


def _batch(messages: Sequence[Message], time_ms: int) -> pa.Table:
    """The messages as the sink would have read them, their position as offset."""
    records = ((0, position, time_ms, message.key, message.value) for position, message in enumerate(messages))
    batch = Batch()
    batch.add(Chunk.of("", records))
    return batch.table()


class _Question(NamedTuple):
    messages: Sequence[Message]
    answer: "asyncio.Future[Broken]"


class GroupedCheck:
    """The row check of one contract for many requests: answers those that wait together, in one thread."""

    def __init__(self, contract: Contract):
        self._check = RowCheck(contract)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"check-{contract.key}")
        self._waiting: list[_Question] = []
        self._worker: asyncio.Task[None] | None = None

    async def broken(self, messages: Sequence[Message]) -> Broken:
        question = _Question(messages, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._answer_all())
        return await question.answer

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer_all(self) -> None:
        while group := self._next_group():
            together = [message for question in group for message in question.messages]
            try:
                broken = await asyncio.get_running_loop().run_in_executor(self._thread, self._check.broken, together)
            except Exception as problem:
                _fail(group, problem)
            else:
                _answer(group, broken)

    def _next_group(self) -> list[_Question]:
        """The oldest questions, as many as fit into one check; at least one."""
        group: list[_Question] = []
        size = 0
        while self._waiting and (not group or size + len(self._waiting[0].messages) <= _GROUP_RECORDS):
            group.append(self._waiting.pop(0))
            size += len(group[-1].messages)
        return group


def _answer(group: Sequence[_Question], broken: Broken) -> None:
    start = 0
    for question in group:
        mine = range(start, start + len(question.messages))
        start = mine.stop
        if not question.answer.done():
            question.answer.set_result({n - mine.start: broken[n] for n in mine if n in broken})


def _fail(group: Sequence[_Question], problem: Exception) -> None:
    for question in group:
        if not question.answer.done():
            question.answer.set_exception(problem)
