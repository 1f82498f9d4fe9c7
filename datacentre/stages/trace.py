"""One measured path: from a row of a mart back to the agency's file or request."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from connectors.sources.event_origin import told_by
from datacentre.contracts import Contract, load_contracts
from datacentre.control.certificates import Certificate, numbered
from datacentre.control.outcomes import StageOutcome, recent
from datacentre.control.store import opened
from datacentre.settings import Settings
from lake.commit_offsets import Commit, commits_of
from lake.mart_origins import Record, Row, load_marts, trace_row
from lake.marts import published

_BUILDS = 1000
_RECORDS = 1000


@dataclass(frozen=True)
class TracedRecord:
    """A record with the certificate and the commit that it came by; `commit` is None where the log was cleaned up."""

    partition: int
    offset: int
    broker_time: datetime
    certificate: int
    commit: int | None
    contract_version: str
    source: str
    event_id: str
    record_key: str
    came_from: str


@dataclass(frozen=True)
class TracedStream:
    """A row's records of one stream, of many the first; `record_count` counts all. `topic` is also the name of its
    tables. `certificates` are those of the published version; one that was folded into another since is left out."""

    topic: str
    contract_version: str
    contract_hash: str
    record_count: int
    records: tuple[TracedRecord, ...]
    certificates: tuple[Certificate, ...]
    commits: tuple[Commit, ...]


@dataclass(frozen=True)
class Trace:
    """`build` is the outcome of the dbt run that published the version, None where it is too long ago."""

    mart: str
    key: Mapping[str, Any]
    published: str
    build: StageOutcome | None
    through: Mapping[str, int]
    reference_lists: Mapping[str, int]
    streams: tuple[TracedStream, ...]


def trace(settings: Settings, mart: str, asked: Sequence[str]) -> Trace:
    """Trace the row of the published marts whose key holds what is asked.

    Raises ContractError where there is no such mart or row, or more than one; CheckFailed where nothing is built yet.
    """
    contracts, marts, version = (
        load_contracts(settings.schemas),
        load_marts(settings.dbt_project),
        published(settings.marts),
    )
    with duckdb.connect(str(version), read_only=True) as connection, opened(settings.control_url) as control:
        connection.execute("set TimeZone = 'UTC'")
        row = trace_row(connection, marts, mart, asked, _RECORDS)
        streams = tuple(
            _stream(settings.lake, control, contracts[key], records, row.counts[key])
            for key, records in _by_stream(row)
        )
        build = _build(control, version)
    return Trace(mart, row.key, version.name, build, row.through, row.lists, streams)


def _by_stream(row: Row) -> Iterator[tuple[str, list[Record]]]:
    for key in sorted({record.stream for record in row.records}):
        yield key, [record for record in row.records if record.stream == key]


def _stream(lake: Path, control: sa.Engine, contract: Contract, records: Sequence[Record], count: int) -> TracedStream:
    commits = commits_of(lake, contract, "landed", [(r.partition, r.offset) for r in records])
    traced = tuple(_record(r, commits) for r in records)
    certificates = numbered(control, contract.key, {r.certificate for r in traced})
    return TracedStream(contract.key, contract.version, contract.hash, count, traced, certificates, commits)


def _record(record: Record, commits: Sequence[Commit]) -> TracedRecord:
    commit = next((c.version for c in commits if c.partition == record.partition and c.holds(record.offset)), None)
    return TracedRecord(
        record.partition,
        record.offset,
        record.broker_time,
        record.certificate,
        commit,
        record.schema_version,
        record.source,
        record.event_id,
        record.record_key,
        told_by(record.event_id),
    )


def _build(control: sa.Engine, version: Path) -> StageOutcome | None:
    builds = recent(control, "build", "marts", limit=_BUILDS)
    return next((b for b in builds if b.detail.get("published") == version.name), None)
