"""Which commit of which table holds an offset: kept here because table logs are cleaned up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from datacentre.control.ranges import OffsetRange
from datacentre.control.store import writing
from datacentre.control.tables import commit_offsets


@dataclass(frozen=True)
class Commit:
    """One partition's share of one table version."""

    stream: str
    layer: str
    version: int
    range: OffsetRange
    contract_hash: str
    committed_at: datetime


def remember(engine: sa.Engine, commits: Iterable[Commit]) -> int:
    """Store commits that aren't known yet; returns how many were new. Safe to repeat."""
    with writing(engine) as connection:
        return sum(_remember(connection, commit) for commit in commits)


def last_version(engine: sa.Engine, stream: str, layer: str) -> int:
    """The newest remembered version of a table, -1 for none."""
    c = commit_offsets.c
    query = sa.select(sa.func.max(c.version)).where(c.stream == stream, c.layer == layer)
    with engine.connect() as connection:
        found = connection.execute(query).scalar()
    return -1 if found is None else int(found)


def commit_of(engine: sa.Engine, stream: str, layer: str, partition: int, offset: int) -> Commit | None:
    """The first commit whose range holds this offset, or None."""
    c = commit_offsets.c
    query = (
        sa.select(commit_offsets)
        .where(c.stream == stream, c.layer == layer, c.partition == partition)
        .where(c.start_offset <= offset, c.next_offset > offset)
        .order_by(c.version)
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    span = OffsetRange(row.partition, row.start_offset, row.next_offset)
    return Commit(row.stream, row.layer, row.version, span, row.contract_hash, row.committed_at)


def _remember(connection: sa.Connection, commit: Commit) -> bool:
    c = commit_offsets.c
    known = sa.select(sa.literal(1)).where(
        c.stream == commit.stream,
        c.layer == commit.layer,
        c.version == commit.version,
        c.partition == commit.range.partition,
    )
    if connection.execute(known).first() is not None:
        return False
    values = {
        "stream": commit.stream,
        "layer": commit.layer,
        "version": commit.version,
        "partition": commit.range.partition,
        "start_offset": commit.range.start,
        "next_offset": commit.range.next,
        "contract_hash": commit.contract_hash,
        "committed_at": commit.committed_at,
    }
    connection.execute(commit_offsets.insert().values(values))
    return True
