"""The commit protocol of one stream: vault, quarantine, landed, in that order, exactly once.

The lake is the truth: `landed` stores for every partition the next offset to land, in the same
commit as the rows. The other two tables may be ahead of it after a crash, never behind.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from connectors.sink.batch import Batch
from connectors.sink.consent import NO_CONSENT, Consent
from connectors.sink.poison import Guard
from connectors.sink.split import Splitter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.errors import CheckFailed
from datacentre.pseudonym import PseudonymKey
from lake.commit import append, recorded_hashes
from lake.commit_log import CommitLog, Overtaken
from lake.positions import partitions_of, transactions
from lake.tables import bind_topic, bound_topic, create_table, offset_bases, open_table, unavailable


class Fenced(Exception):
    """Another writer committed first: this batch is void, read again from the lake's positions."""


@dataclass(frozen=True)
class Committed:
    """Rows of one commit, by table."""

    landed: int
    quarantined: int
    identified: int


class StreamWriter:
    """Writes one stream's three tables. Positions may be asked for while another thread commits."""

    def __init__(
        self,
        lake: Path,
        contract: Contract,
        key: PseudonymKey,
        topic: Topic,
        consent: Consent = NO_CONSENT,
        guard: Guard | None = None,
    ):
        self.contract = contract
        self._guard = guard
        self._lake = lake
        self._lock = threading.Lock()
        self._topic = topic
        self._splitter = Splitter(contract, key)
        self._consent = consent
        landed = self._bound(open_table(lake, contract, "landed"), "landed", has_rows=False)
        has_rows = landed.version() > 0
        vault, quarantine = (
            self._bound(open_table(lake, contract, layer), layer, has_rows) for layer in ("vault", "quarantine")
        )
        if bound_topic(landed) != topic.identity:
            self._bind_anew(landed, {"vault": vault, "quarantine": quarantine})
        self.bases = offset_bases(landed)
        self._topic = topic.in_lake(self.bases)
        count = len(topic.partitions)
        self._landed, self._vault, self._quarantine = (CommitLog(t, count) for t in (landed, vault, quarantine))
        self._begin(is_new=not has_rows or bool(self.bases))

    def _bound(self, table: DeltaTable | None, layer: str, has_rows: bool) -> DeltaTable:
        """The table, created when absent; refuses one that holds another topic's offsets.

        Where landed `has_rows`, the others can't be absent.
        """
        key = self.contract.key
        if table is None:
            if has_rows:
                raise CheckFailed(f"{key}: landed has rows, but its {layer} table is gone; restore it from backup")
            return create_table(self._lake, self.contract, layer, self._topic.identity)
        if bound_topic(table) != self._topic.identity and not self._consent.new_topic:
            raise CheckFailed(
                f"{key}: {layer} holds offsets of topic {bound_topic(table)}, the broker's topic is "
                f"{self._topic.identity}: it was recreated or this is another cluster. Nothing was read. "
                f"Point KAFKA_BOOTSTRAP_SERVERS at the right broker, or, when the topic was made anew on purpose, go "
                f"on with it: datacentre sink {key} --new-topic"
            )
        return table

    def _bind_anew(self, landed: DeltaTable, others: Mapping[str, DeltaTable]) -> None:
        """Count the new topic's offsets from above the old one's. Landed comes last: until it is bound, all of
        this is done again."""
        partitions = partitions_of(landed, len(self._topic.partitions))
        bases = transactions(landed, partitions)
        for layer, table in others.items():
            if bound_topic(table) == self._topic.identity:
                continue
            ahead = {p: n for p, n in transactions(table, partitions).items() if n > bases.get(p, 0)}
            if ahead:
                raise CheckFailed(
                    f"{self.contract.key}: {layer} holds offsets of the old topic that landed lacks (up to {ahead}); "
                    f"they can be read no more. Restore the tables from backup"
                )
            bind_topic(table, self._topic.identity, bases)
        bind_topic(landed, self._topic.identity, bases)

    def _begin(self, is_new: bool) -> None:
        """Record where each partition of a new table starts; others only when told to."""
        known = self._landed.positions
        missing = [p for p in self._topic.partitions if p not in known]
        if not missing:
            return
        if (known or not is_new) and not self._consent.start_partitions:
            raise CheckFailed(
                f"{self.contract.key}: landed has rows but no transaction for partition(s) {missing}: was the "
                f"topic given more partitions, or the log cut? Start them with: datacentre sink --start-partitions"
            )
        self._start(missing)

    def _start(self, partitions: Iterable[int]) -> None:
        """Commit the oldest offset that the broker still has as the first position of these partitions."""
        ranges = {p: (self._topic.first_offsets[p],) * 2 for p in partitions}
        with suppress(Overtaken):  # a second sink that starts at the same time has just done it
            append(self._landed, self._landed_rows(), ranges, self._splitter.rules_hash)

    def skip_lost(self) -> dict[int, tuple[int, int]]:
        """Go on behind what the topic has lost; returns the ranges `(first, next)` given up, by partition.

        The commit that moves the position names them.
        """
        with self._lock:
            while True:
                found = self._followed(self._topic.partitions)
                first = self._topic.first_offsets
                lost = {p: (offset, first[p]) for p, offset in found.items() if offset < first[p]}
                if not lost:
                    return {}
                told = ", ".join(f"partition {p} offsets {a} to {b - 1}" for p, (a, b) in sorted(lost.items()))
                with suppress(Overtaken):  # a second sink that was told the same: look again
                    append(self._landed, self._landed_rows(), lost, self._splitter.rules_hash, note=f"lost: {told}")
                    return lost

    def _landed_rows(self) -> pa.Table:
        return landed_schema(self.contract).empty_table()

    def positions(self, partitions: Iterable[int]) -> dict[int, int]:
        """Next offset to read by partition, after a look at what others have committed."""
        with self._lock:
            found = self._followed(partitions)
            self._check_ahead(found)
            return found

    def _followed(self, partitions: Iterable[int]) -> dict[int, int]:
        """Landed's position by partition, of those that have one, after a look at what others have committed."""
        self._follow(self._landed)
        return self._landed.known(partitions)

    def _follow(self, log: CommitLog) -> None:
        """Read what others have committed to one table; refuses a change that this writer doesn't fit any more."""
        log.follow()
        if log.topic != self._topic.identity:
            raise CheckFailed(
                f"{self.contract.key}: another sink has gone on with topic {log.topic}; this one reads "
                f"{self._topic.identity} and ends. Start it again with that one's settings, or not at all"
            )

    def _check_ahead(self, landed: Mapping[int, int]) -> None:
        """A range that only vault or quarantine has must be decoded again by the contract they used."""
        for log, layer in ((self._vault, "vault"), (self._quarantine, "quarantine")):
            self._follow(log)
            for partition, start in landed.items():
                following = log.positions.get(partition, start)
                if following <= start:
                    continue
                written_by = recorded_hashes(log.folder, partition, start)
                if written_by != {self._splitter.rules_hash}:
                    raise CheckFailed(
                        f"{self.contract.key}: {layer} already holds partition {partition} offsets {start} to "
                        f"{following - 1}, placed by other rules ({_short(written_by)}) than today's "
                        f"({_short({self._splitter.rules_hash})}). Put that contract and program version back, run "
                        f"datacentre sink --until-caught-up, then change them"
                    )

    def commit(self, batch: Batch) -> Committed:
        """Write one batch; raises Fenced when it must be thrown away, naming nothing: re-read and go on.

        Raises Poisoned when too many of its records break a rule, SourceUnavailable when the disk or store
        refuses; nothing counts as written then.
        """
        with self._lock:
            return self._commit(batch)

    def _commit(self, batch: Batch) -> Committed:
        known = self._followed(batch.ranges)
        stale = {p for p, (start, _) in batch.ranges.items() if known.get(p) != start}
        if stale:
            batch = batch.without(stale)
            if not batch.ranges:
                raise Fenced(sorted(stale))
        self._check_ahead({p: start for p, (start, _) in batch.ranges.items()})
        rows = batch.table()
        split = self._splitter.split(rows)
        window = self._guard.judge(rows, split.quarantine, batch.ranges) if self._guard else None
        try:
            self._append_new(self._vault, split.vault, batch.ranges)
            self._append_new(self._quarantine, split.quarantine, batch.ranges)
            append(self._landed, split.landed, batch.ranges, self._splitter.rules_hash)
        except Overtaken as lost:
            raise Fenced(str(lost)) from lost
        except (DeltaError, OSError) as problem:
            free = disk_usage(self._lake).free
            told = f"{self.contract.key}: can't write to {self._lake}, its disk has {free:,} bytes free"
            raise unavailable(told, problem) from problem
        if self._guard and window is not None:
            self._guard.passed(window)
        if stale:
            raise Fenced(sorted(stale))
        return Committed(split.landed.num_rows, split.quarantine.num_rows, split.vault.num_rows)

    def _append_new(self, log: CommitLog, rows: pa.Table, ranges: Mapping[int, tuple[int, int]]) -> None:
        """Append the rows at or above this table's own transaction, and never lower that."""
        if rows.num_rows == 0:
            return
        ahead = log.known(ranges)
        for partition, following in ahead.items():
            if following > ranges[partition][0]:
                is_old = pc.and_(pc.equal(rows["kafka_partition"], partition), pc.less(rows["kafka_offset"], following))
                rows = rows.filter(pc.invert(is_old))
        if rows.num_rows == 0:
            return
        touched = set(pc.unique(rows["kafka_partition"]).to_pylist())
        append(
            log,
            rows,
            {p: (max(s, ahead.get(p, s)), n) for p, (s, n) in ranges.items() if p in touched},
            self._splitter.rules_hash,
        )


def _short(hashes: Collection[str]) -> str:
    return ", ".join(sorted(h[:12] for h in hashes)) or "unknown"
