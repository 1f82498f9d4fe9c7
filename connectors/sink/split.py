"""Split a batch into the rows of `landed`, `vault` and `quarantine`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.sink.row_check import compile_row_check
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
    """The compiled row check of one contract. Not safe for several threads."""

    def __init__(self, contract: Contract, key: PseudonymKey):
        self._contract = contract
        self._key = key
        self._sql = compile_row_check(contract)
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("set TimeZone = 'UTC'")
        self.rules_hash = self._hash_rules()
        self._landed, self._vault = landed_schema(contract), vault_schema(contract)

    def _hash_rules(self) -> str:
        """SHA-256 over all that decides where a row goes: contract, code lists, compiled check, engine."""
        parts = (self._contract.hash, self._sql, duckdb.__version__)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def split(self, batch: pa.Table) -> Split:
        """Decode, type and check a batch of `Batch.table`; a row's place depends on its bytes and broker time."""
        checked = self._checked(batch)
        if checked.num_rows != batch.num_rows:
            raise AssertionError(f"{self._contract.key}: {batch.num_rows} messages gave {checked.num_rows} rows")
        is_good = pc.equal(pc.list_value_length(checked["broken_rules"]), 0)
        good, bad = checked.filter(is_good), checked.filter(pc.invert(is_good))
        known = good.filter(good["has_identity"])
        return Split(
            landed=_project(good, self._landed, self._of_landed(good)),
            vault=_project(known, self._vault, self._of_landed(known)),
            quarantine=_project(bad, QUARANTINE, self._of_quarantine(bad)),
        )

    def _checked(self, batch: pa.Table) -> pa.Table:
        inner, outer = self._key.pads()
        self._connection.register("batch", batch)
        try:
            parameters = {"inner": inner, "outer": outer} if self._contract.pseudonymised else None
            return self._connection.sql(self._sql, params=parameters).to_arrow_table()
        finally:
            self._connection.unregister("batch")

    def _of_landed(self, rows: pa.Table) -> dict[str, pa.Array]:
        """What `landed` and `vault` add to the record's own fields."""
        return {
            "ingest_date": _ingest_date(rows),
            "record_key": rows["_key_text"],
            "schema_version": pc.if_else(rows["is_deleted"], None, self._contract.version),
            "pseudonym_key_id": pa.repeat(self._key.id, rows.num_rows),
        }

    def _of_quarantine(self, rows: pa.Table) -> dict[str, pa.Array]:
        return {
            "ingest_date": _ingest_date(rows),
            "contract_version": pa.repeat(self._contract.version, rows.num_rows),
            "contract_hash": pa.repeat(self._contract.hash, rows.num_rows),
            "status": pa.repeat("open", rows.num_rows),
        }


def _ingest_date(rows: pa.Table) -> pa.Array:
    return pc.cast(rows["broker_time"], pa.date32())


def _project(rows: pa.Table, schema: pa.Schema, added: Mapping[str, pa.Array]) -> pa.Table:
    """The schema's columns, from `added` where it has them."""
    arrays = [_as_type(added[f.name] if f.name in added else rows[f.name], f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _as_type(column: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    return column if column.type == kind else pc.cast(column, kind)
