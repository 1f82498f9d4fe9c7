"""A stream's increments, one after the other, measured as the check does it."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any

import duckdb
import sqlalchemy as sa

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Splitter
from datacentre.contracts import Contract
from datacentre.control.ranges import OffsetRange
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import REPOSITORY
from expectations.batch import measure_batch
from expectations.measure import Measure
from expectations.observation import observation_query

Record = dict[str, Any]
_KEY = PseudonymKey("k1", b"s" * 32)
_numbers = iter(range(1_000_000_000))


def records(key: str, count: int, **changed: Any) -> list[Record]:
    """The stream's samples over and over, each an event of its own, with some fields changed."""
    lines = (REPOSITORY / "schemas" / "samples" / f"{key}.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**json.loads(line), "event_id": f"t-{next(_numbers)}", **changed} for line in islice(cycle(lines), count)]


class Sending:
    """Two partitions of a stream, and what batch rules measure of what is sent."""

    def __init__(self, control: sa.Engine, contract: Contract):
        self._control, self._contract = control, contract
        self._next: Counter[int] = Counter()
        self._splitter = Splitter(contract, _KEY)
        self._sent: list[tuple[tuple[OffsetRange, ...], Any]] = []

    def send(self, sent: list[Record], at: datetime) -> dict[str, Measure]:
        """Land the records at a time of the broker's clock as one increment; what was measured of it, by rule."""
        starts = dict(self._next)
        self._sent.append((tuple(self._ranges(starts, sent, at)), self._landed))
        return self.again(-1)

    def again(self, number: int) -> dict[str, Measure]:
        """Measure an increment once more, by the order of sending."""
        ranges, landed = self._sent[number]  # noqa: RUF059 - DuckDB reads `landed` by its name
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            observed = connection.sql(observation_query(self._contract)).to_arrow_table()
        found = measure_batch(self._control, self._contract, ranges, observed)
        return {measure.rule.removeprefix("batch."): measure for measure in found}

    def _ranges(self, starts: dict[int, int], sent: list[Record], at: datetime) -> Iterator[OffsetRange]:
        batch, milliseconds = Batch(), round(at.timestamp() * 1000)
        for place, record in enumerate(sent):
            partition = place % 2
            message = (partition, self._next[partition], milliseconds)
            key = str(record[self._contract.kafka_key]).encode()
            batch.add(Chunk.of(self._contract.key, [(*message, key, json.dumps(record).encode())]))
            self._next[partition] += 1
        split = self._splitter.split(batch.table())
        assert split.quarantine["broken_rules"].to_pylist() == []
        self._landed = split.landed
        for partition, following in self._next.items():
            if following > starts.get(partition, 0):
                yield OffsetRange(partition, starts.get(partition, 0), following)


def weekly(first: datetime, weeks: int) -> list[datetime]:
    """The same hour of following weeks."""
    return [first + timedelta(weeks=n) for n in range(weeks)]
