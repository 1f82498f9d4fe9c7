"""The sink's loop: poll, buffer, flush by rows, bytes or age."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from connectors.sink.batch import Batch
from connectors.sink.client import Consumer, KafkaPythonConsumer, Partition
from connectors.sink.writer import Fenced, StreamWriter
from connectors.topics import create_topics, describe_topics
from datacentre import names
from datacentre.contracts import Contract
from datacentre.errors import CheckFailed, DataCentreError, SourceUnavailable
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from lake.tables import has_tables, lake_id

GROUP = "datacentre-sink"
_POLL_SECONDS = 0.2
_POLL_RECORDS = 20_000
_LOOK_SECONDS = 0.5
_STALL_SECONDS = 60.0
_FREE_BYTES = 64 * 1024 * 1024


@dataclass
class Progress:
    """Rows written by this process so far."""

    landed: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    fenced: int = 0

    @property
    def records(self) -> int:
        return self.landed.total() + self.quarantined.total()


class _Watch:
    """Looks at a number that should shrink, not too often, and notes since when it hasn't."""

    def __init__(self) -> None:
        self._looked_at = 0.0
        self._value = -1
        self._changed_at = time.monotonic()

    def is_due(self) -> bool:
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = time.monotonic()
        return True

    def stalled_seconds(self, value: int) -> float:
        if value != self._value:
            self._value, self._changed_at = value, time.monotonic()
        return time.monotonic() - self._changed_at


class Sink:
    """One member of the sink's consumer group, writing some or all streams.

    A stream whose tables and topic don't fit stands in `failures` and is left out; the others go on.
    """

    def __init__(self, settings: Settings, contracts: Mapping[str, Contract], start_partitions: bool = False):
        """Raises SourceUnavailable without a broker or disk, and a stream's failure when none is left."""
        self._settings = settings
        self._check_disk()
        create_topics(settings.bootstrap_servers, contracts.values())
        self._topics = describe_topics(settings.bootstrap_servers, contracts.values())
        key = load_or_create(settings.home, has_tables(settings.lake))
        self._writers: dict[str, StreamWriter] = {}
        self.failures: dict[str, DataCentreError] = {}
        for stream, contract in contracts.items():
            try:
                writer = StreamWriter(
                    settings.lake, contract, key, self._topics[stream], start_partitions=start_partitions
                )
                self._writers[stream] = writer
                self._places(stream, self._topics[stream].partitions)
            except DataCentreError as problem:
                self._writers.pop(stream, None)
                self.failures[stream] = problem
        if not self._writers:
            raise next(iter(self.failures.values()))
        self._batches = {stream: Batch() for stream in self._writers}
        self._next: dict[Partition, int] = {}
        self._failure: DataCentreError | None = None
        self.progress = Progress()

    def positions(self) -> dict[str, dict[int, int]]:
        """Next offset to land, by stream and partition, as the lake has it now."""
        return {k: w.positions(self._topics[k].partitions) for k, w in self._writers.items()}

    def behind(self) -> int:
        """Offsets between the lake and the end offsets seen at the start."""
        landed = self.positions()
        return sum(
            max(0, end - landed[k].get(p, 0)) for k in self._writers for p, end in self._topics[k].end_offsets.items()
        )

    def run(self, until_caught_up: bool, stopping: Callable[[], bool], told: Callable[[Progress], None]) -> Progress:
        """Consume until `stopping()`; or until the lake holds the end offsets seen at the start.

        Whoever lands them counts: another member of the group may do it. `told` is called after
        every flush.
        """
        topics = [names.topic(k) for k in self._writers]
        lake = lake_id(self._settings.lake)
        instance = self._settings.sink_instance
        consumer: Consumer = KafkaPythonConsumer(
            self._settings.bootstrap_servers,
            f"{GROUP}-{lake}",
            f"{instance}-{lake}" if instance else "",
            topics,
            self._assigned,
            self._revoked,
        )
        self._consumer = consumer
        watch = _Watch()
        try:
            while not stopping():
                self._take(consumer)
                if self._flush_due():
                    told(self.progress)
                if until_caught_up and watch.is_due() and self._is_caught_up(watch):
                    break
            for key in self._writers:
                self._flush(key)
            told(self.progress)
        finally:
            consumer.close()
        return self.progress

    def _take(self, consumer: Consumer) -> None:
        try:
            found = consumer.poll(_POLL_SECONDS, _POLL_RECORDS)
        finally:
            if self._failure is not None:  # it is why the client found a partition without a place
                raise self._failure
        reached = dict(consumer.positions())
        for at, messages in found.items():
            expected = self._next.get(at)
            if expected is None:  # no longer ours, or not yet placed: its next owner reads it
                continue
            add = self._batches[at[0]].add
            for offset, time_ms, key, value in messages:
                if offset >= expected:
                    add(at[1], offset, time_ms, key, value)
            # A record in a batch must lie in its range, also where the client can't tell its position.
            reached[at] = max(reached.get(at, 0), messages[-1][0] + 1)
        for at, position in reached.items():
            start = self._next.get(at)
            if start is not None and position > start:
                self._batches[at[0]].advance(at[1], start, position)
                self._next[at] = position

    def _assigned(self, partitions: Iterable[Partition]) -> None:
        """Start each partition where the lake ends. The loop raises what goes wrong: here the client would."""
        try:
            for topic in {topic for topic, _ in partitions}:
                self._rewind(topic, [p for t, p in partitions if t == topic])
        except DataCentreError as problem:
            self._failure = problem

    def _revoked(self, partitions: Iterable[Partition]) -> None:
        """Forget what isn't committed: the next owner reads it again from the lake's position."""
        for topic, partition in partitions:
            self._next.pop((topic, partition), None)
            self._batches[topic] = self._batches[topic].without({partition})

    def _rewind(self, key: str, partitions: Collection[int]) -> None:
        for partition, offset in self._places(key, partitions).items():
            self._next[(key, partition)] = offset
            self._consumer.seek((key, partition), offset)

    def _places(self, key: str, partitions: Collection[int]) -> dict[int, int]:
        """Where to read each partition from; raises CheckFailed where the topic can't give what comes next."""
        topic, found = self._topics[key], self._writers[key].positions(partitions)
        unknown = sorted(set(partitions) - (set(found) & set(topic.first_offsets)))
        if unknown:
            raise CheckFailed(
                f"{key}: the topic has new partition(s) {unknown}; start them with: datacentre sink --start-partitions"
            )
        if any(offset > topic.end_offsets[p] for p, offset in found.items()):  # the end seen at the start is old
            topic = describe_topics(self._settings.bootstrap_servers, [self._writers[key].contract]).get(key, topic)
        for partition, offset in found.items():
            first, end = topic.first_offsets[partition], topic.end_offsets[partition]
            if offset < first:
                raise CheckFailed(
                    f"{key}: partition {partition} offsets {offset} to {first - 1} are lost: retention removed "
                    f"them before they were landed. Nothing was read"
                )
            if offset > end:
                raise CheckFailed(
                    f"{key}: the lake holds partition {partition} up to offset {offset - 1}, the topic ends at "
                    f"{end - 1}: the broker has lost records. Nothing was read; its new ones would be skipped"
                )
        return found

    def _flush_due(self) -> bool:
        due = [key for key, batch in self._batches.items() if self._is_due(batch)]
        for key in due:
            self._flush(key)
        return bool(due)

    def _is_due(self, batch: Batch) -> bool:
        settings = self._settings
        return bool(batch.ranges) and (
            len(batch.offsets) >= settings.flush_rows
            or batch.size_bytes >= settings.flush_bytes
            or batch.age() >= settings.flush_seconds
        )

    def _flush(self, key: str) -> None:
        batch = self._batches[key]
        if not batch.ranges:
            return
        self._batches[key] = Batch()
        self._check_disk()
        try:
            done = self._writers[key].commit(batch)
        except Fenced:
            self.progress.fenced += 1
            owned = [p for t, p in self._consumer.positions() if t == key]
            self._rewind(key, owned)
            return
        self.progress.commits += 1
        self.progress.landed[key] += done.landed
        self.progress.quarantined[key] += done.quarantined
        self._consumer.note({(key, p): following for p, (_, following) in batch.ranges.items()})

    def _is_caught_up(self, watch: "_Watch") -> bool:
        behind = self.behind()
        if watch.stalled_seconds(behind) > _STALL_SECONDS:
            raise SourceUnavailable(
                f"{behind} offsets short of the end, and nothing came for {_STALL_SECONDS:.0f} s: does the broker at "
                f"{self._settings.bootstrap_servers} still answer? What has landed is safe; start again to go on"
            )
        return behind == 0

    def require_all_streams(self) -> None:
        """Raise what kept streams out, all in one line; passes when none was."""
        if self.failures:
            raise CheckFailed("; ".join(str(problem) for problem in self.failures.values()))

    def _check_disk(self) -> None:
        self._settings.lake.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._settings.lake).free
        if free < _FREE_BYTES:
            raise SourceUnavailable(
                f"{self._settings.lake}: only {free // 1024 // 1024} MiB free on the disk, the sink needs "
                f"{_FREE_BYTES // 1024 // 1024}; free some space, then start the sink again: nothing is lost"
            )
