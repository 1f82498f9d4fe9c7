"""Take a person out of a stream's vault and quarantine; what is pseudonymous stays.

Rows keep their place, so that topic and lake still reconcile. In the vault a row about the person loses every
identifier but other people's, a row of somebody else the value that names the person; in quarantine a row loses its
bytes. The files that held them are deleted at once, not at the next vacuum.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from datacentre.contracts import Contract
from datacentre.contracts.columns import INSTANT, QUARANTINE, landed_schema, vault_schema
from lake.decisions import offsets_of
from lake.next_commit import commit_once
from lake.person import PERSON_KEY, Person
from lake.rewrite import Change, Offsets, is_at, rewritten
from lake.snapshot import snapshot
from lake.tables import PARTITION, open_table, table_path
from lake.upkeep import no_upkeep

# As old as that, a file that no version names is no upload under way.
_ORPHAN_SECONDS = 3600.0
_PLACE = ["kafka_partition", "kafka_offset"]
_NOWHERE = QUARANTINE.empty_table().select(_PLACE)
_TOLD = ("record_key", "value", "patch", "reason")
"""What of a quarantined row may name somebody."""


@dataclass(frozen=True)
class Traces:
    """Where one stream holds a person: rows about the person, rows of others that name the person, and quarantined
    records."""

    own: Offsets
    mentions: Offsets
    quarantined: Offsets

    @property
    def named(self) -> dict[int, np.ndarray]:
        return _joined(self.own, self.mentions)

    @property
    def everywhere(self) -> dict[int, np.ndarray]:
        return _joined(self.named, self.quarantined)

    def below(self, limits: Mapping[int, int]) -> "Traces":
        """Those below the limit of their partition."""
        parts = (self.own, self.mentions, self.quarantined)
        return Traces(*({p: o[o < limits.get(p, 0)] for p, o in part.items()} for part in parts))


@dataclass(frozen=True)
class Decided:
    """What is written on an erased row of quarantine."""

    who: str
    at: datetime
    reason: str


def find_traces(lake: Path, contract: Contract, person: Person) -> Traces:
    """A row is the person's own where the record names the person as its subject or was linked to her; also where it
    names nobody and shares its key (the steps before an identifier was assigned) or another number with such a row."""
    landed = _landed(lake, contract, person)
    is_own = landed["is_own"]
    own, keys = offsets_of(landed.filter(is_own)), set(landed.filter(is_own)["record_key"].to_pylist())
    vault = list(_naming(lake, contract, "vault", [f.name for f in contract.identifiers], person))
    cases = [key.encode() for key in keys]
    quarantine = list(_naming(lake, contract, "quarantine", _TOLD, person, cases))
    named = pa.concat_tables([landed.filter(pc.invert(is_own)).select(_PLACE), *vault])
    mentions = offsets_of(named.filter(pc.invert(is_at(named, own))))
    return Traces(own, _joined(mentions, {}), offsets_of(pa.concat_tables([_NOWHERE, *quarantine])))


def _landed(lake: Path, contract: Contract, person: Person) -> pa.Table:
    """Place, key and `is_own` of the landed rows that name the person under any pseudonym, or are the person's own."""
    columns = {f.pseudonym_column: f for f in contract.pseudonymised}
    subject = columns.get(PERSON_KEY)
    others = _fields_of_others(contract)
    numbers = [n for n, f in columns.items() if subject and n != PERSON_KEY and f.name not in others]
    named = [f"list_contains({n}, $person)" if f.type == "array" else f"{n} = $person" for n, f in columns.items()]
    same = " or ".join(f"({n} is not null and {n} in (select {n} from about))" for n in numbers)
    is_linked = "(kafka_partition, kafka_offset) in (select (kafka_partition, kafka_offset) from linked)"
    is_about, is_nobodys = f"($person is null or {is_linked})", "false"
    if subject:
        is_about, is_nobodys = f"(coalesce(person_key = $person, false) or {is_linked})", "person_key is null"
    pinned = snapshot(lake, contract, "landed")
    files = " union all by name from read_parquet($files, hive_partitioning = false, union_by_name = true)"
    with duckdb.connect() as connection:
        connection.register("no_rows", landed_schema(contract).empty_table())
        connection.register("linked", _places([(p, o) for stream, p, o in person.linked if stream == contract.key]))
        return connection.sql(
            f"""with landed as (from no_rows{files if pinned.files else ""}),
            about as (from landed where {is_about}),
            numbered as (from landed where {is_about} or ({is_nobodys} and ({same or "false"}))),
            told as (select kafka_partition, kafka_offset, record_key,
                coalesce({is_about} or ({is_nobodys} and not is_deleted and (({same or "false"})
                    or record_key in (select record_key from numbered))), false) as is_own,
                coalesce({" or ".join(named) or "false"}, false) as is_named
              from landed)
            select kafka_partition, kafka_offset, record_key, is_own from told where is_own or is_named""",
            params={"person": person.person_key} | ({"files": list(pinned.files)} if pinned.files else {}),
        ).to_arrow_table()


def _places(places: Sequence[tuple[int, int]]) -> pa.Table:
    partitions, offsets = zip(*places, strict=True) if places else ((), ())
    return pa.table(
        {"kafka_partition": pa.array(partitions, pa.int32()), "kafka_offset": pa.array(offsets, pa.int64())}
    )


def _fields_of_others(contract: Contract) -> set[str]:
    """Identifiers that name other people than the record's subject: of the same kind as the subject's own."""
    subject = next((f for f in contract.pseudonymised if f.pseudonym_column == PERSON_KEY), None)
    if subject is None:
        return set()
    alike = {f.name for f in contract.pseudonymised if f.type == "array" or f.pattern == subject.pattern}
    return alike - {subject.name}


def _naming(
    lake: Path, contract: Contract, layer: str, columns: Sequence[str], person: Person, cases: Sequence[bytes] = ()
) -> Iterator[pa.Table]:
    """Places of the rows that hold the person in one of the columns, or bytes of one of the cases, file by file."""
    table = open_table(lake, contract, layer)
    for file in table.file_uris() if table is not None else ():
        known = pq.ParquetFile(file)
        present = [name for name in columns if name in known.schema_arrow.names]
        rows = known.read([*_PLACE, *present])
        found = pa.array([False] * rows.num_rows)
        for name in present:
            found = pc.or_(found, _holding(rows[name], person))
        if cases:
            is_case = pc.is_in(rows["record_key"], pa.array(cases, pa.binary()))
            found = pc.or_(found, pc.and_(is_case, pc.is_valid(rows["value"])))
        yield rows.filter(found).select(_PLACE)


def _holding(column: pa.ChunkedArray, person: Person) -> pa.Array:
    """Which values, or lists with a value, hold the person; numbers and dates never do."""
    return pa.array([_holds(value, person) for value in column.to_pylist()], pa.bool_())


def _holds(value: object, person: Person) -> bool:
    if isinstance(value, list):
        return any(_holds(item, person) for item in value)
    if isinstance(value, str):
        return person.holds(value.encode())
    return isinstance(value, bytes) and person.holds(value)


def erase_from_vault(lake: Path, contract: Contract, person: Person, traces: Traces) -> None:
    """Safe to repeat and beside running sinks. Readers of an older version of the table lose its files.

    Raises SourceUnavailable when upkeep or other writers don't let it.
    """

    def change(rows: pa.Table, at: pa.Array) -> pa.Table:
        own, others = is_at(rows, traces.own), _fields_of_others(contract)
        for field in contract.identifiers:
            column = rows[field.name]
            new = pa.array([_without(value, person) for value in column.to_pylist()], column.type)
            if field.name not in others:
                new = pc.if_else(own, pa.scalar(None, column.type), new)
            new = pc.if_else(at, new, column)
            rows = rows.set_column(rows.schema.get_field_index(field.name), field.name, new)
        return rows

    _rewrite(lake, contract, "vault", vault_schema(contract), traces.named, change)


def erase_from_quarantine(lake: Path, contract: Contract, person: Person, traces: Traces, decided: Decided) -> None:
    """As `erase_from_vault`. Open rows are dismissed, so that no replay takes them for deletions."""

    def change(rows: pa.Table, at: pa.Array) -> pa.Table:
        keys = [_without(key, person) for key in rows["record_key"].to_pylist()]
        is_open = pc.and_(at, pc.equal(rows["status"], "open"))
        new = {
            "record_key": pc.if_else(at, pa.array(keys, pa.binary()), rows["record_key"]),
            "value": pc.if_else(at, None, rows["value"]),
            "patch": pc.if_else(at, None, rows["patch"]),
            "status": pc.if_else(is_open, "dismissed", rows["status"]),
            "decided_by": pc.if_else(at, decided.who, rows["decided_by"]),
            "decided_at": pc.if_else(at, pa.scalar(decided.at, INSTANT), rows["decided_at"]),
            "reason": pc.if_else(at, decided.reason, rows["reason"]),
        }
        for name, column in new.items():
            rows = rows.set_column(rows.schema.get_field_index(name), QUARANTINE.field(name), column)
        return rows

    _rewrite(lake, contract, "quarantine", QUARANTINE, traces.quarantined, change)


def _rewrite(lake: Path, contract: Contract, layer: str, schema: pa.Schema, offsets: Offsets, change: Change) -> None:
    table = open_table(lake, contract, layer)
    if table is None:
        return
    app = f"erasure/{uuid4().hex}"
    with no_upkeep(lake, contract.key, layer):  # compaction could write a copy of old rows meanwhile
        if offsets:
            commit_once(table, lambda: rewritten(table, schema, offsets, change), app, {"erasure": app})
        _delete_replaced(table)


def _delete_replaced(table: DeltaTable) -> None:
    """Delete what the newest version doesn't name, but for files that a sink may be about to commit."""
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    held = [f for f in table_path(table).glob(f"{PARTITION}=*/*.parquet") if _age(f) > _ORPHAN_SECONDS]
    table.update_incremental()
    named = {Path(uri) for uri in table.file_uris()}
    for file in held:
        if file not in named:
            file.unlink(missing_ok=True)


def _age(file: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - file.stat().st_mtime
    return 0.0


def _without(value: Any, person: Person) -> Any:
    if isinstance(value, list):
        return [item for item in value if not _holds(item, person)]
    return None if _holds(value, person) else value


def _joined(first: Offsets, second: Offsets) -> dict[int, np.ndarray]:
    nothing = np.asarray([], dtype=np.int64)
    return {p: np.union1d(first.get(p, nothing), second.get(p, nothing)) for p in sorted({*first, *second})}
