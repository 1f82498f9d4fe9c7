"""What is in quarantine: the records as they came, why they are there, and what was decided on them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datacentre.contracts import Contract
from datacentre.contracts.columns import QUARANTINE
from lake.current import current_table
from lake.decisions import offsets_of
from lake.snapshot import snapshot

_SHOWN_BYTES = 400


@dataclass(frozen=True)
class Selection:
    """Open records: of one rule, of one ingest date, at one `(partition, offset)`; all where nothing is given."""

    rule: str | None = None
    day: date | None = None
    at: tuple[int, int] | None = None


EVERYTHING = Selection()


@dataclass(frozen=True)
class OpenCount:
    """Open records that came in on one day and broke one rule; one that broke two counts in both."""

    stream: str
    rule: str
    day: date
    records: int


@dataclass(frozen=True)
class RejectedRecord:
    """One open record; `value` is cut to 400 bytes for display, the table keeps it whole."""

    stream: str
    partition: int
    offset: int
    broker_time: datetime
    broken_rules: tuple[str, ...]
    value: bytes | None


@dataclass(frozen=True)
class WholeRecord:
    """One quarantined record with all that is known of it, whatever its status."""

    stream: str
    partition: int
    offset: int
    broker_time: datetime
    ingest_date: date
    key: bytes | None
    value: bytes | None
    broken_rules: tuple[str, ...]
    contract_version: str
    contract_hash: str
    status: str
    replay_id: str | None
    patch: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


def count_open(lake: Path, contract: Contract, selection: Selection = EVERYTHING) -> list[OpenCount]:
    """By rule and day, the newest day first and most records first."""
    query = """select rule, ingest_date, count(*) as records
        from (select unnest(broken_rules) as rule, ingest_date from chosen)
        where $only is null or rule = $only
        group by all order by ingest_date desc, records desc, rule"""
    rows = _query(lake, contract, query, selection, {"only": selection.rule})
    return [OpenCount(contract.key, *row.values()) for row in rows.to_pylist()]


def rejected_records(lake: Path, contract: Contract, selection: Selection, limit: int) -> list[RejectedRecord]:
    """The newest open records of the selection."""
    query = f"""select kafka_partition, kafka_offset, broker_time, broken_rules, value[1:{_SHOWN_BYTES}] as value
        from chosen order by broker_time desc, kafka_partition, kafka_offset desc limit {int(limit)}"""
    rows = _query(lake, contract, query, selection).to_pylist()
    return [RejectedRecord(contract.key, p, o, t, tuple(r), v) for p, o, t, r, v in (row.values() for row in rows)]


def whole_record(lake: Path, contract: Contract, partition: int, offset: int) -> WholeRecord | None:
    """The quarantined record at this place, or None."""
    query = "select * from quarantine where kafka_partition = $partition and kafka_offset = $offset"
    found = _query(lake, contract, query, parameters={"partition": partition, "offset": offset}).to_pylist()
    if not found:
        return None
    row = found[0]
    place = {"partition": row.pop("kafka_partition"), "offset": row.pop("kafka_offset"), "key": row.pop("record_key")}
    return WholeRecord(contract.key, **place, broken_rules=tuple(row.pop("broken_rules")), **row)


def open_rows(
    lake: Path,
    contract: Contract,
    selection: Selection,
    below: Mapping[int, int],
    after: tuple[int, int] = (-1, -1),
    limit: int | None = None,
) -> pa.Table:
    """Open rows of the selection by partition and offset: `below` the offset of their partition, `after` a place."""
    inside = " or ".join(f"(kafka_partition = {int(p)} and kafka_offset < {int(o)})" for p, o in below.items())
    query = f"""select * from chosen
        where ({inside or "false"}) and (kafka_partition, kafka_offset) > ({int(after[0])}, {int(after[1])})
        order by kafka_partition, kafka_offset {"" if limit is None else f"limit {int(limit)}"}"""
    return _query(lake, contract, query, selection)


def open_offsets(lake: Path, contract: Contract, selection: Selection) -> dict[int, np.ndarray]:
    """Offsets of the open rows of the selection, by partition, ascending."""
    return offsets_of(_query(lake, contract, "select kafka_partition, kafka_offset from chosen", selection))


def rows_of_replay(lake: Path, contract: Contract, replay_id: str) -> pa.Table:
    """The rows that one replay has marked, by partition and offset."""
    query = """select * from quarantine where status = 'replayed' and replay_id = $id
        order by kafka_partition, kafka_offset"""
    return _query(lake, contract, query, parameters={"id": replay_id})


def replays(lake: Path, contract: Contract) -> dict[str, dict[int, np.ndarray]]:
    """What each replay has marked: its offsets by partition, ascending."""
    query = """select kafka_partition, kafka_offset, replay_id from quarantine
        where status = 'replayed' and replay_id is not null"""
    rows = _query(lake, contract, query)
    ids = sorted(pc.unique(rows["replay_id"]).to_pylist())
    return {i: offsets_of(rows.filter(pc.equal(rows["replay_id"], i))) for i in ids}


def landed_replays_since(lake: Path, contract: Contract, version: int) -> Iterator[tuple[int, dict[int, np.ndarray]]]:
    """Of each replay that landed above this version of landed: its version, and its offsets by partition."""
    table = current_table(lake, contract, "landed")
    commits = 0 if table is None else table.version() - version
    for entry in table.history(commits) if table is not None and commits > 0 else ():
        if (replay_id := entry.get("replay")) is not None:
            yield entry["version"], offsets_of(rows_of_replay(lake, contract, replay_id))


def _chosen(selection: Selection) -> str:
    conditions = ["status = 'open'"]
    if selection.rule is not None:
        conditions.append("list_contains(broken_rules, $rule)")
    if selection.day is not None:
        conditions.append("ingest_date = $day")
    if selection.at is not None:
        conditions.append("kafka_partition = $partition and kafka_offset = $offset")
    return f"select * from quarantine where {' and '.join(conditions)}"


def _query(
    lake: Path,
    contract: Contract,
    query: str,
    selection: Selection = EVERYTHING,
    parameters: Mapping[str, Any] | None = None,
) -> pa.Table:
    """The answer over `quarantine`, which has every column also for files of before, and `chosen` of it."""
    pinned = snapshot(lake, contract, "quarantine")
    options = "hive_partitioning = true, hive_types = {'ingest_date': date}, union_by_name = true"
    files = f" union all by name from read_parquet($files, {options})" if pinned.files else ""
    given = {**_parameters(selection), **(parameters or {}), **({"files": list(pinned.files)} if files else {})}
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("no_rows", QUARANTINE.empty_table())
        with_rows = f"with quarantine as (from no_rows{files}), chosen as ({_chosen(selection)}) {query}"
        return connection.sql(with_rows, params=given).to_arrow_table()


def _parameters(selection: Selection) -> dict[str, Any]:
    given = {} if selection.at is None else dict(zip(("partition", "offset"), selection.at, strict=True))
    known = {"rule": selection.rule, "day": selection.day}
    return given | {name: value for name, value in known.items() if value is not None}
