"""The sink's loop: poll, buffer, hand full batches to the committer, follow the group."""

import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from random import uniform
from uuid import uuid4

from connectors.sink.batch import Batch
from connectors.sink.clients import Consumer, Membership, Partition, open_consumer
from connectors.sink.committer import Committer, Done
from connectors.sink.consent import NO_CONSENT, Consent
from connectors.sink.flow import Flow, Reason
from connectors.sink.keeper import Keeper
from connectors.sink.metrics import SinkMetrics
from connectors.sink.orphans import Orphans
from connectors.sink.places import require_known, require_readable
from connectors.sink.poison import Guard, Poisoned, Stops
from connectors.sink.progress import Progress
from connectors.sink.writer import Fenced, StreamWriter
from connectors.topics import create_topics, describe_topics
from datacentre import names
from datacentre.contracts import Contract
from datacentre.crash_points import reach
from datacentre.errors import CheckFailed, DataCentreError, SourceUnavailable
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from lake.positions import landed_positions
from lake.tables import has_tables, lake_id

GROUP = "datacentre-sink"
_POLL_SECONDS = 0.2
_BUSY_POLL_SECONDS = 0.02
_LOOK_SECONDS = 0.5
_STALL_SECONDS = 60.0
_HANDOVER_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_PATIENCE_SESSIONS = 2
_FREE_BYTES = 64 * 1024 * 1024
_log = logging.getLogger(__name__)


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

    A stream whose tables and topic don't fit, or that is stopped, stands in `failures` and is left out; the
    others go on. A stopped one is taken up again once it is resumed.
    """

    def __init__(
        self,
        settings: Settings,
        contracts: Mapping[str, Contract],
        consent: Consent = NO_CONSENT,
    ):
        """Raises SourceUnavailable without a broker or disk, and a stream's failure when none is left."""
        self._settings = settings
        self._check_disk()
        create_topics(settings.bootstrap_servers, contracts.values())
        self._topics = describe_topics(settings.bootstrap_servers, contracts.values())
        key = load_or_create(settings.home, has_tables(settings.lake))
        self._stops = Stops(settings.home)
        self._writers: dict[str, StreamWriter] = {}
        self.failures: dict[str, DataCentreError] = {}
        for stream, contract in contracts.items():
            try:
                guard = Guard(self._stops, stream, settings.poison_percent)
                writer = StreamWriter(settings.lake, contract, key, self._topics[stream], consent, guard)
                self._writers[stream] = writer
                self._topics[stream] = self._topics[stream].in_lake(writer.bases)
                if consent.skip_lost and (lost := writer.skip_lost()):
                    _log.warning("%s: went on behind lost offsets, by partition (first, next): %s", stream, lost)
                self._places(stream, self._topics[stream].partitions)
                self._stops.take_up(stream)
            except DataCentreError as problem:
                self._leave_out(stream, problem)
        if not self._writers:
            raise next(iter(self.failures.values()))
        self._batches = {stream: Batch() for stream in self._writers}
        self._look_at_stops()
        self._next: dict[Partition, int] = {}
        self._failure: DataCentreError | None = None
        self._flow = Flow(settings)
        self._committer = Committer(self._writers)
        self._keeper = Keeper(settings.lake, contracts, settings.upkeep_commits)
        # Not the same for all, so that one joins anew and the others see what came of it.
        self._orphans = Orphans(_PATIENCE_SESSIONS * settings.session_seconds * uniform(1, 1.5))
        self.progress = Progress()

    def _leave_out(self, stream: str, problem: DataCentreError) -> None:
        self._writers.pop(stream, None)
        self.failures[stream] = problem
        self._stops.leave_out(stream, problem)

    def positions(self) -> dict[str, dict[int, int]]:
        """Next offset to land, by stream and partition, as the lake has it now."""
        return {k: w.positions(self._topics[k].partitions) for k, w in self._writers.items()}

    def behind(self) -> int:
        """Offsets between the lake and the end offsets seen at the start."""
        landed = self.positions()
        return sum(
            max(0, end - landed[k].get(p, 0))
            for k in self._writers.keys() - self.failures.keys()
            for p, end in self._topics[k].end_offsets.items()
        )

    def run(self, until_caught_up: bool, stopping: Callable[[], bool], told: Callable[[Progress], None]) -> Progress:
        """Consume until `stopping()`; or until the lake holds the end offsets seen at the start.

        Whoever lands them counts: another member of the group may do it. `told` is called after
        every commit.
        """
        self._consumer = open_consumer(self._settings.kafka_client, self._membership())
        watch, metrics = _Watch(), SinkMetrics(self._settings.metrics_port)
        try:
            while not stopping():
                self._take(self._consumer)
                self._collect(told)
                self._flush_due()
                self._consumer.hold(self._flow.paused(self._batches, self._committer.pending) | self.failures.keys())
                if watch.is_due():
                    metrics.show(self.progress, self._lag(), self._batches, self.failures)
                    self._look_at_stops()
                    self._look_at_others()
                    if until_caught_up and self._is_caught_up(watch):
                        break
            self._flush_rest(told)
        finally:
            self._committer.close()
            self._keeper.close()
            self._consumer.close()
            metrics.close()
        return self.progress

    def _membership(self, suffix: str = "") -> Membership:
        lake, instance = lake_id(self._settings.lake), self._settings.sink_instance
        return Membership(
            bootstrap_servers=self._settings.bootstrap_servers,
            group=f"{GROUP}-{lake}",
            instance=f"{instance}-{lake}{suffix}" if instance else "",
            topics=[names.topic(k) for k in self._writers],
            session_ms=int(self._settings.session_seconds * 1000),
            fetch_bytes=self._settings.flush_bytes // 4,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )

    def _take(self, consumer: Consumer) -> None:
        """Put what a poll gives into the batches. A broker that is gone for a while is waited for."""
        try:
            chunks = consumer.poll(_BUSY_POLL_SECONDS if self._committer.pending else _POLL_SECONDS)
        except SourceUnavailable as problem:
            _log.warning("%s", problem)
            time.sleep(_RETRY_SECONDS)
            return
        finally:
            if self._failure is not None:  # it is why the client found a partition without a place
                raise self._failure
        reached = {at: offset + self._base(at) for at, offset in consumer.positions().items()}
        for topic_chunk in chunks:
            if topic_chunk.topic in self.failures:
                continue
            chunk = topic_chunk.shifted(self._writers[topic_chunk.topic].bases)
            # No longer ours, or not yet placed: its next owner reads it. A record must lie in its batch's range.
            expected = {p: o for (topic, p), o in self._next.items() if topic == chunk.topic}
            own = chunk.at_or_above(expected)
            self._batches[chunk.topic].add(own)
            for partition, following in own.following().items():
                at = (chunk.topic, partition)
                reached[at] = max(reached.get(at, 0), following)
        for at, position in reached.items():
            start = self._next.get(at)
            if start is not None and position > start and at[0] not in self.failures:
                self._batches[at[0]].advance(at[1], start, position)
                self._next[at] = position

    def _assigned(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Start each partition where the lake ends. The loop raises what goes wrong: here the client would."""
        reach("on_assigned")
        places: dict[Partition, int] = {}
        try:
            for topic in {topic for topic, _ in partitions}:
                found = self._places(topic, [p for t, p in partitions if t == topic])
                places |= {(topic, p): offset for p, offset in found.items()}
        except DataCentreError as problem:
            self._failure = problem
        self._next |= places
        return {at: offset - self._base(at) for at, offset in places.items()}

    def _base(self, at: Partition) -> int:
        """What is added to the topic's offsets to get the lake's."""
        return self._writers[at[0]].bases.get(at[1], 0)

    def _revoked(self, partitions: Iterable[Partition]) -> None:
        """Forget what isn't committed: the next owner reads it again from the lake's position.

        What is being committed gets a moment to finish, so that the next owner begins after it.
        """
        reach("on_revoked")
        gone = set(partitions)
        for topic, partition in gone:
            self._next.pop((topic, partition), None)
            self._batches[topic] = self._batches[topic].without({partition})
        until = time.monotonic() + _HANDOVER_SECONDS
        try:
            while any(t in self._committer.pending for t, _ in gone) and time.monotonic() < until:
                self._collect(lambda progress: None, timeout_seconds=0.1)
        except DataCentreError as problem:
            self._failure = problem

    def _rewind(self, key: str) -> None:
        """Drop what is buffered of a stream and read again from the lake's positions."""
        self._batches[key] = Batch()
        owned = [p for t, p in self._next if t == key]
        for partition, offset in self._places(key, owned).items():
            self._next[(key, partition)] = offset
            self._consumer.seek((key, partition), offset - self._base((key, partition)))

    def _places(self, key: str, partitions: Collection[int]) -> dict[int, int]:
        """Where to read each partition from; raises CheckFailed where the topic can't give what comes next."""
        topic, found = self._topics[key], self._writers[key].positions(partitions)
        require_known(topic, partitions, found)
        if any(offset > topic.end_offsets[p] for p, offset in found.items()):  # the end seen at the start is old
            writer = self._writers[key]
            now = describe_topics(self._settings.bootstrap_servers, [writer.contract]).get(key)
            topic = now.in_lake(writer.bases) if now else topic
        require_readable(topic, found)
        return found

    def _flush_due(self) -> None:
        for key, batch in self._batches.items():
            reason = self._flow.due(batch)
            if reason and key not in self._committer.pending:
                self._flush(key, reason)

    def _flush(self, key: str, reason: Reason) -> None:
        self._check_disk()
        self.progress.flushes[reason] += 1
        batch, self._batches[key] = self._batches[key], Batch()
        self._committer.submit(key, batch)

    def _collect(self, told: Callable[[Progress], None], timeout_seconds: float = 0.0) -> None:
        """Take account of the batches that are through; raises what kept one out of the lake."""
        while (done := self._committer.collect(timeout_seconds)) is not None:
            timeout_seconds = 0.0
            if isinstance(done.problem, Fenced):
                self.progress.fenced += 1
                self._rewind(done.stream)
            elif isinstance(done.problem, Poisoned):
                self._halt(done.stream, done.problem)
            elif done.problem is not None:
                raise done.problem
            else:
                self._count(done)
                told(self.progress)

    def _halt(self, stream: str, problem: Poisoned) -> None:
        """Read the stream no further and drop what is buffered of it: it is read again once it is resumed."""
        self.failures[stream] = problem
        self._batches[stream] = Batch()

    def _look_at_stops(self) -> None:
        """Halt what any sink has stopped, and take up what was resumed."""
        for stream in self._writers:
            stopped = self._stops.problem(stream) if self._stops.is_stopped(stream) else None
            if stopped is not None:
                if stream not in self.failures:
                    self._halt(stream, stopped)
            elif isinstance(self.failures.get(stream), Poisoned):
                del self.failures[stream]
                try:
                    self._rewind(stream)
                except CheckFailed as problem:  # retention may have been faster than the engineer
                    self.failures[stream] = problem
                    self._stops.leave_out(stream, problem)

    def _look_at_others(self) -> None:
        """Join the group as a new member, also where members are static, when it leaves partitions to nobody."""
        own = self._writers.keys() - self.failures.keys()
        others = {(k, p) for k in own for p in self._topics[k].partitions} - self._next.keys()
        try:
            found = self._orphans.find(others, lambda: self._landed(others), lambda: self._ends(others))
            if not found:
                return
            named = ", ".join(f"{stream} partition {partition}" for stream, partition in sorted(found))
            _log.warning("nobody reads %s: this sink joins the group anew", named)
            fresh = open_consumer(self._settings.kafka_client, self._membership(f"-{uuid4().hex[:8]}"))
        except SourceUnavailable as problem:  # the next look comes
            _log.warning("%s", problem)
            return
        old, self._consumer = self._consumer, fresh
        old.close()
        self._revoked(list(self._next))

    def _landed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        lake = self._settings.lake
        found = {k: landed_positions(lake, self._writers[k].contract) for k in {k for k, _ in partitions}}
        return {(k, p): found[k].get(p, 0) for k, p in partitions}

    def _ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        contracts = [self._writers[k].contract for k in {k for k, _ in partitions}]
        topics = describe_topics(self._settings.bootstrap_servers, contracts)
        ends = {k: topic.in_lake(self._writers[k].bases).end_offsets for k, topic in topics.items()}
        return {(k, p): ends[k].get(p, 0) for k, p in partitions if k in ends}

    def _count(self, done: Done) -> None:
        assert done.result is not None
        self.progress.commits += 1
        self.progress.commit_seconds += done.seconds
        self.progress.landed[done.stream] += done.result.landed
        self.progress.quarantined[done.stream] += done.result.quarantined
        self.progress.size_bytes[done.stream] += done.batch.size_bytes
        self._keeper.committed(done.stream, self._flow.full(done.batch) is not None)
        positions = {(done.stream, p): following for p, (_, following) in done.batch.ranges.items()}
        self._consumer.note({at: offset - self._base(at) for at, offset in positions.items() if at in self._next})

    def _flush_rest(self, told: Callable[[Progress], None]) -> None:
        """Commit all that is buffered; what is fenced now is left to the next reader."""
        while self._committer.pending or any(b.ranges for b in self._batches.values()):
            for key, batch in self._batches.items():
                if batch.ranges and key not in self._committer.pending:
                    self._flush(key, "end")
            self._collect(told, timeout_seconds=0.1)

    def _lag(self) -> dict[Partition, int]:
        """Records between the lake and the topic's end, by partition, as far as the client has heard."""
        ends = self._consumer.ends()
        return {at: max(0, ends[at] + self._base(at) - n) for at, n in self._next.items() if at in ends}

    def _is_caught_up(self, watch: _Watch) -> bool:
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
                f"{self._settings.lake}: the disk has {free:,} bytes free, a sink needs {_FREE_BYTES:,}. Free some "
                f"space: nothing is lost. A sink of `datacentre up` goes on by itself; start any other again"
            )
