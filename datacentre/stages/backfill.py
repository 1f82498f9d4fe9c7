"""Decode a range of a topic again, after a decoder or a contract was wrong, and have only what changed checked anew."""

import time

from connectors.sink.backfill import Backfill, Redone
from connectors.sink.replay import only_replay
from connectors.topic_range import read_range
from connectors.topics import Topic, describe_topics
from datacentre.contracts import Contract, choose, load_contracts
from datacentre.control.ranges import OffsetRange
from datacentre.control.reopened import reopen
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome, store
from lake.forget import forget_deleted
from lake.positions import landed_bases, landed_positions
from lake.replace import Range, around
from lake.rewrite import Offsets
from lake.tables import bound_topic, has_tables, open_table

_PIECE = 100_000
"""Offsets that are decoded at a time; each piece is one commit per table."""


def backfill(
    settings: Settings, stream: str, partition: int, who: str, start: int | None = None, following: int | None = None
) -> Outcome:
    """Decode the lake's offsets `[start, following)` of a partition again; all that the topic still has by default.

    `rows_in` counts the records read, `rows_out` the landed rows that came out differently, `rows_quarantined` the
    quarantined ones. Safe beside running sinks, and to repeat: one that was cut short is finished by the same call.
    Raises CheckFailed for offsets that the topic no longer has or that haven't landed, SourceUnavailable while a
    replay of the stream runs.
    """
    began = time.monotonic()
    contract = choose(load_contracts(settings.schemas), [stream])[stream]
    base = landed_bases(settings.lake, contract).get(partition, 0)
    topic = describe_topics(settings.bootstrap_servers, [contract]).get(stream, Topic(stream, "no topic", {}, {}))
    wanted = _range(settings, contract, topic.in_lake({partition: base}), partition, start, following)
    key = load_or_create(settings.home, has_tables(settings.lake))
    done: list[Redone] = []
    with opened(settings.control_url) as control, only_replay(settings.lake, stream):

        def withdraw(offsets: Offsets, version: int) -> None:
            ranges = [OffsetRange(*r) for r in around(offsets)]
            reopen(control, stream, ranges, version, who, f"backfill of {wanted}")

        redo = Backfill(settings.lake, contract, key)
        for piece in _pieces(wanted):
            records = read_range(settings.bootstrap_servers, topic, piece, base)
            done.append(redo.redo(records, piece, withdraw))
        forget_deleted(settings.lake, contract)  # a record may only now tell whom it was about
        outcome = Outcome(
            stage="backfill",
            stream=stream,
            interval=str(wanted),
            rows_in=sum(d.records for d in done),
            rows_out=sum(d.landed for d in done),
            rows_quarantined=sum(d.quarantined for d in done),
            seconds=time.monotonic() - began,
            detail={"who": who},
        )
        store(control, outcome)
    return outcome


def _range(
    settings: Settings, contract: Contract, topic: Topic, partition: int, start: int | None, following: int | None
) -> OffsetRange:
    """Raises CheckFailed naming what can't be read again."""
    table = open_table(settings.lake, contract, "landed")
    first, position = topic.first_offsets.get(partition), landed_positions(settings.lake, contract).get(partition, 0)
    if table is None or first is None or position == 0 or bound_topic(table) != topic.identity:
        raise CheckFailed(f"{contract.key}: the lake has nothing of partition {partition} of topic {topic.identity}")
    start = first if start is None else start
    following = position if following is None else following
    if not first <= start < following <= position:
        raise CheckFailed(
            f"{contract.key} partition {partition}: offsets {start} to {following - 1} can't be decoded again; "
            f"the topic still has those from {first} on, and those below {position} have landed"
        )
    return OffsetRange(partition, start, following)


def _pieces(wanted: OffsetRange) -> list[Range]:
    starts = range(wanted.start, wanted.next, _PIECE)
    return [(wanted.partition, start, min(start + _PIECE, wanted.next)) for start in starts]
