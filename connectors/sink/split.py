"""Split a batch into the rows of `landed`, `vault` and `quarantine`."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.sink.arrays import booleans
from connectors.sink.row_check import SCHEMA_TAGS
from connectors.sink.scan import warm
from connectors.sink.version_check import VersionCheck
from datacentre.contracts import Contract
from datacentre.contracts.columns import QUARANTINE, landed_schema, vault_schema
from datacentre.pseudonym import PseudonymKey


@dataclass(frozen=True)
class Split:
    """Where each row of a batch goes; every offset is in exactly one of landed and quarantine."""

    landed: pa.Table
    vault: pa.Table
    quarantine: pa.Table


class Splitter:
    """The compiled checks of one contract and its earlier versions. Not safe for several threads."""

    def __init__(self, contract: Contract, key: PseudonymKey):
        warm.start()
        self._contract = contract
        self._key = key
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("set TimeZone = 'UTC'")
        # DuckDB's allocator keeps what it has freed, by default up to 128 MB of it.
        self._connection.execute("set allocator_flush_threshold = '4MB'")
        self._connection.execute("set allocator_background_threads = true")
        self._checks = [VersionCheck(c, key, self._connection) for c in (contract, *contract.earlier)]
        self.rules_hash = self._hash_rules()
        self._landed, self._vault = landed_schema(contract), vault_schema(contract)

    def _hash_rules(self) -> str:
        """SHA-256 over all that decides where a row goes: contract, code lists, compiled checks, engine.

        The compiled pass is left out: it may only agree with them.
        """
        parts = (self._contract.hash, *(c.sql for c in self._checks), duckdb.__version__)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def split(self, batch: pa.Table) -> Split:
        """Decode, type and check a batch of `Batch.table`; a row's place depends on its bytes and broker time."""
        parts = []
        for check in self._checks:
            if check.has_pass and warm.is_ready() and batch.num_rows:
                good, checked = check.surely_good(batch)
                if good.any():
                    parts.append(self._placed(check.contract, checked))
                    batch = batch.filter(booleans(~good))
        parts += [self._exactly(check, own) for check, own in self._by_version(batch)]
        return Split(*(pa.concat_tables(tables) for tables in zip(*parts, strict=True)))

    def _by_version(self, batch: pa.Table) -> Iterable[tuple[VersionCheck, pa.Table]]:
        """The rows that each version has to judge: those of an earlier one that name it, the rest by today's."""
        current, *earlier = self._checks
        if earlier and batch.num_rows:
            tags = self._tags(batch)
            for check in earlier:
                named = pc.fill_null(pc.equal(tags, check.contract.schema_tag), False)
                yield check, batch.filter(named)
                batch, tags = batch.filter(pc.invert(named)), tags.filter(pc.invert(named))
        yield current, batch

    def _tags(self, batch: pa.Table) -> pa.ChunkedArray:
        """The `schema` that each message names, null where it is no JSON object with one."""
        self._connection.register("batch", batch)
        try:
            return self._connection.sql(SCHEMA_TAGS).to_arrow_table()["tag"]
        finally:
            self._connection.unregister("batch")

    def _placed(self, contract: Contract, good: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
        added = self._of_landed(contract, good)
        return (
            _project(good, self._landed, added),
            _project(good, self._vault, added).filter(good["has_identity"]),
            QUARANTINE.empty_table(),
        )

    def _exactly(self, check: VersionCheck, batch: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
        if batch.num_rows == 0:
            return self._landed.empty_table(), self._vault.empty_table(), QUARANTINE.empty_table()
        checked = check.exact(batch)
        is_good = pc.equal(pc.list_value_length(checked["broken_rules"]), 0)
        landed, vault, _ = self._placed(check.contract, checked.filter(is_good))
        bad = checked.filter(pc.invert(is_good))
        return landed, vault, _project(bad, QUARANTINE, self._of_quarantine(check.contract, bad))

    def _of_landed(self, contract: Contract, rows: pa.Table) -> dict[str, pa.Array]:
        """What `landed` and `vault` add to the record's own fields."""
        return {
            "ingest_date": _ingest_date(rows),
            "record_key": rows["_key_text"],
            "schema_version": pc.if_else(rows["is_deleted"], None, contract.version),
            "pseudonym_key_id": pa.repeat(self._key.id, rows.num_rows),
        }

    def _of_quarantine(self, contract: Contract, rows: pa.Table) -> dict[str, pa.Array]:
        return {
            "ingest_date": _ingest_date(rows),
            "contract_version": pa.repeat(contract.version, rows.num_rows),
            "contract_hash": pa.repeat(contract.hash, rows.num_rows),
            "status": pa.repeat("open", rows.num_rows),
        }


def _ingest_date(rows: pa.Table) -> pa.Array:
    return pc.cast(rows["broker_time"], pa.date32())


def _project(rows: pa.Table, schema: pa.Schema, added: Mapping[str, pa.Array]) -> pa.Table:
    """The schema's columns, from `added` where it has them; null where an earlier version had no such field."""
    held = {name: rows[name] for name in rows.column_names} | dict(added)
    arrays = [_as_type(held.get(f.name, pa.nulls(rows.num_rows)), f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _as_type(column: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    return column if column.type == kind else pc.cast(column, kind)
