"""Reconcile every topic-partition with the lake, as sets of distinct offsets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from connectors.sink.topic_offsets import read_offsets
from connectors.topics import Topic, describe_topics
from datacentre.contracts import Contract, choose, load_contracts
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.settings import Settings
from datacentre.stages.alerting import alarm, clear
from lake.offsets import held_offsets
from lake.positions import landed_bases, landed_positions
from lake.tables import bound_topic, open_table

_EMPTY = np.asarray([], dtype=np.int64)
_SHOWN = 5
Scope = Literal["topic", "landed"]


@dataclass(frozen=True)
class PartitionReport:
    """Counts of distinct offsets of one partition, and what doesn't fit, in words."""

    stream: str
    partition: int
    topic: int
    landed: int
    quarantined: int
    identified: int
    vault: int
    expired: int
    differences: tuple[str, ...]


def verify(
    settings: Settings,
    streams: Sequence[str] | None = None,
    scope: Scope = "topic",
    told: Callable[[int], None] = lambda records: None,
) -> tuple[PartitionReport, ...]:
    """Compare topic = landed + quarantined (never both) and vault = landed rows with an identity, but those
    that were deleted by key and forgotten.

    Scope `topic` compares all that the topic holds now; `landed` only what lies below the lake's
    positions, for a centre that goes on streaming. Offsets older than the topic's retention can't be
    compared and are counted as `expired`.
    """
    chosen = choose(load_contracts(settings.schemas), streams)
    # Positions before the topics' ends: a sink that goes on meanwhile must not look like one that is ahead.
    positions = {key: landed_positions(settings.lake, contract) for key, contract in chosen.items()}
    topics = describe_topics(settings.bootstrap_servers, chosen.values())
    reports: list[PartitionReport] = []
    for key, contract in chosen.items():
        topic = topics.get(key, Topic(key, "no topic", {}, {}))
        in_topic = read_offsets(settings.bootstrap_servers, topic, told) if topic.partitions else {}
        if topic.partitions:  # retention may have moved on while the topic was read
            now = describe_topics(settings.bootstrap_servers, [contract])[key]
            topic = replace(topic, first_offsets=now.first_offsets)
        reports += _stream_reports(settings, contract, topic, in_topic, positions[key], scope)
    return tuple(reports)


def reconcile(settings: Settings) -> tuple[PartitionReport, ...]:
    """Compare what lies below the lake's positions; an alert per stream with a difference.

    Raises CheckFailed naming stream, partition and offsets.
    """
    reports = verify(settings, scope="landed")
    with opened(settings.control_url) as control:
        for stream in sorted({r.stream for r in reports}):
            wrong = [f"partition {r.partition}: {d}" for r in reports if r.stream == stream for d in r.differences]
            if wrong:
                alarm(settings, control, "difference", stream, "; ".join(wrong))
            else:
                clear(settings, control, "difference", stream)
    require_agreement(reports)
    return reports


def require_agreement(reports: Sequence[PartitionReport]) -> None:
    """Raises CheckFailed naming every stream, partition and difference; passes when there is none."""
    wrong = [r for r in reports if r.differences]
    if wrong:
        named = "; ".join(f"{r.stream} partition {r.partition}: {', '.join(r.differences)}" for r in wrong)
        raise CheckFailed(f"{len(wrong)} of {len(reports)} partitions do not reconcile: {named}")


def _stream_reports(
    settings: Settings,
    contract: Contract,
    topic: Topic,
    in_topic: Mapping[int, np.ndarray],
    positions: Mapping[int, int],
    scope: Scope,
) -> list[PartitionReport]:
    bases = landed_bases(settings.lake, contract)
    topic = topic.in_lake(bases)
    in_topic = {p: offsets + bases.get(p, 0) for p, offsets in in_topic.items()}
    rows = ("landed", "quarantine", "identified", "deleted", "vault")
    held = {r: held_offsets(settings.lake, contract, r) for r in rows}
    partitions = sorted(set(in_topic) | set(positions) | {p for h in held.values() for p in h})
    table = open_table(settings.lake, contract, "landed")
    foreign: tuple[str, ...] = ()
    if table is not None and bound_topic(table) != topic.identity:
        foreign = (f"the lake holds topic {bound_topic(table)}, the broker has {topic.identity}",)
    reports = []
    for p in partitions:
        position, end = positions.get(p, 0), topic.end_offsets.get(p, 0)
        limit = position if scope == "landed" else max(position, end)
        within = {r: _below(held[r].get(p, _EMPTY), limit) for r in rows}
        sent = _below(in_topic.get(p, _EMPTY), limit)
        found = compare(contract.key, p, sent, within, topic.first_offsets.get(p, 0), position)
        reports.append(replace(found, differences=(*foreign, *found.differences)))
    return reports


def compare(
    stream: str,
    partition: int,
    topic: np.ndarray,
    held: Mapping[str, np.ndarray],
    first_offset: int,
    position: int,
) -> PartitionReport:
    """One partition's report; `held` has arrays for landed, quarantine, identified, deleted and vault.

    A row whose key was deleted later may still be in the vault, or have been forgotten.
    """
    distinct = {r: np.unique(a) for r, a in held.items()}
    kept = np.union1d(distinct["landed"], distinct["quarantine"])
    forgotten = np.setdiff1d(distinct["deleted"], distinct["vault"])
    identified = np.setdiff1d(distinct["identified"], forgotten)
    expired = kept[kept < first_offset]
    differences = [_named(f"twice in {r}", _repeated(held[r])) for r in ("landed", "quarantine", "vault")]
    missing = np.setdiff1d(topic, kept)
    differences += [
        _named("in the topic, lost", missing[missing < position]),
        _named("in the topic, not yet landed", missing[missing >= position]),
        _named("in the lake, not in the topic", np.setdiff1d(kept[kept >= first_offset], topic)),
        _named("both landed and quarantined", np.intersect1d(distinct["landed"], distinct["quarantine"])),
        _named("landed with an identity, not in vault", np.setdiff1d(identified, distinct["vault"])),
        _named("in vault, not landed with an identity", np.setdiff1d(distinct["vault"], identified)),
    ]
    return PartitionReport(
        stream=stream,
        partition=partition,
        topic=len(topic),
        landed=len(distinct["landed"]),
        quarantined=len(distinct["quarantine"]),
        identified=len(identified),
        vault=len(distinct["vault"]),
        expired=len(expired),
        differences=tuple(d for d in differences if d),
    )


def _below(offsets: np.ndarray, limit: int) -> np.ndarray:
    return offsets[offsets < limit]


def _repeated(offsets: np.ndarray) -> np.ndarray:
    values, counts = np.unique(offsets, return_counts=True)
    return values[counts > 1]


def _named(what: str, offsets: np.ndarray) -> str:
    """`what: n (a-b, c, ...)`, empty when there is none."""
    if len(offsets) == 0:
        return ""
    breaks = np.flatnonzero(np.diff(offsets) > 1) + 1
    runs = np.split(offsets, breaks)
    shown = ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs[:_SHOWN])
    return f"{what}: {len(offsets)} ({shown}{', ...' if len(runs) > _SHOWN else ''})"
