"""A home whose lake holds events of one simulated government, certified in small rounds."""

import shutil
import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.sources.simulation import DefectShares, OutgoingRecord, generate
from connectors.topics import Topic
from datacentre.contracts import Contract, load_contracts
from datacentre.control.certificates import Judgement, Status, record
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings, from_environment
from lake.upkeep import keep_up

_UNTIL = datetime(2025, 12, 1, tzinfo=UTC)
_DEFECTS = DefectShares.spread(0.002, duplicate=0.005, late=0.01, correction=0.003, deletion=0.002)
_MILLISECONDS_APART = 2
_COMMITS = 40
_PASSED = Judgement(Status.PASSED, "", (), "bench", "bench", 0)


def events(settings: Settings, count: int) -> list[OutgoingRecord]:
    """`count` events of all streams, in the order in which they are sent."""
    made = generate(load_contracts(settings.schemas), settings.reference, 2026, count, _UNTIL, _DEFECTS)
    return list(islice(made, count))


class GrowingLake:
    """The lake of an empty home. The sink's own writer lands the events; no broker is needed."""

    def __init__(self, home: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self.settings = from_environment({"DATACENTRE_HOME": str(home)})
        self._contracts = load_contracts(self.settings.schemas)
        key = load_or_create(home, False)
        self._writers = {
            name: StreamWriter(self.settings.lake, contract, key, _topic(contract))
            for name, contract in self._contracts.items()
        }
        self._next = {name: [0] * contract.partitions for name, contract in self._contracts.items()}
        self._sent = 0

    def grow(self, records: Sequence[OutgoingRecord], round_events: int) -> None:
        """Land events and certify them as if a check had run after each `round_events` of them.

        It takes at most forty commits a stream, whatever the size: so many follow the newest checkpoint on average.
        """
        size = max(round_events, len(records) // _COMMITS)
        with opened(self.settings.control_url) as control:
            for start in range(0, len(records), size):
                part = records[start : start + size]
                for stream, batch in self._batches(part).items():
                    self._writers[stream].commit(batch)
                    _certify(control, stream, batch, max(1, len(part) // round_events))

    def compact(self) -> None:
        """What the sinks do every hundred commits."""
        for contract in self._contracts.values():
            keep_up(self.settings.lake, contract, retention_hours=24)

    def _batches(self, records: Sequence[OutgoingRecord]) -> dict[str, Batch]:
        rows: dict[str, list[tuple[int, int, int, bytes | None, bytes | None]]] = defaultdict(list)
        begun = {stream: list(offsets) for stream, offsets in self._next.items()}
        for event in records:
            offsets = self._next[event.stream]
            partition = zlib.crc32(event.key) % len(offsets)
            rows[event.stream].append((partition, offsets[partition], self._now(), event.key, event.value))
            offsets[partition] += 1
            self._sent += 1
        return {stream: _batch(stream, found, begun[stream], self._next[stream]) for stream, found in rows.items()}

    def _now(self) -> int:
        return round(_UNTIL.timestamp() * 1000) + self._sent * _MILLISECONDS_APART


def _topic(contract: Contract) -> Topic:
    places = dict.fromkeys(range(contract.partitions), 0)
    return Topic(contract.key, "bench/bench", places, places)


def _batch(
    stream: str,
    rows: Sequence[tuple[int, int, int, bytes | None, bytes | None]],
    begun: Sequence[int],
    ended: Sequence[int],
) -> Batch:
    batch = Batch()
    batch.add(Chunk.of(stream, sorted(rows, key=lambda row: row[:2])))
    for partition, (start, following) in enumerate(zip(begun, ended, strict=True)):
        batch.advance(partition, start, following)
    return batch


def _certify(control: sa.Engine, stream: str, batch: Batch, rounds: int) -> None:
    """One certificate per partition and round, in the order in which rounds would have followed each other."""
    for number in range(rounds):
        ranges = []
        for partition, (start, following) in batch.ranges.items():
            first, last = (start + (following - start) * n // rounds for n in (number, number + 1))
            if first < last:
                ranges.append(OffsetRange(partition, first, last))
        record(control, stream, ranges, _PASSED)
