"""Split a batch into the rows of `landed`, `vault` and `quarantine`."""

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
        self._landed, self._vault = landed_schema(contract), vault_schema(contract)

    def split(self, batch: pa.Table) -> Split:
        """Decode, type and check a batch of `Batch.table`; a row's place depends on its bytes and broker time."""
        checked = self._checked(batch)
        if checked.num_rows != batch.num_rows:
            raise AssertionError(f"{self._contract.key}: {batch.num_rows} messages gave {checked.num_rows} rows")
        is_good = pc.equal(pc.list_value_length(checked["broken_rules"]), 0)
        good, bad = checked.filter(is_good), checked.filter(pc.invert(is_good))
        return Split(
            landed=self._project(good, self._landed),
            vault=self._project(good.filter(good["has_identity"]), self._vault),
            quarantine=self._project(bad, QUARANTINE),
        )

    def _checked(self, batch: pa.Table) -> pa.Table:
        inner, outer = self._key.pads()
        self._connection.register("batch", batch)
        try:
            parameters = {"inner": inner, "outer": outer} if self._contract.pseudonymised else None
            return self._connection.sql(self._sql, params=parameters).to_arrow_table()
        finally:
            self._connection.unregister("batch")

    def _project(self, rows: pa.Table, schema: pa.Schema) -> pa.Table:
        """Take the schema's columns, adding those that come from the contract and not from the record."""
        count = rows.num_rows
        is_quarantine = schema is QUARANTINE
        extra = {
            "ingest_date": pc.cast(rows["broker_time"], pa.date32()),
            "record_key": rows["record_key"] if is_quarantine else rows["key_text"],
            "schema_version": pc.if_else(rows["is_deleted"], None, self._contract.version),
            "pseudonym_key_id": pa.repeat(self._key.id, count),
            "contract_version": pa.repeat(self._contract.version, count),
            "contract_hash": pa.repeat(self._contract.hash, count),
            "status": pa.repeat("open", count),
        }
        arrays = [_as_type(extra[f.name] if f.name in extra else rows[f.name], f.type) for f in schema]
        return pa.Table.from_arrays(arrays, schema=schema)


def _as_type(column: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    return column if column.type == kind else pc.cast(column, kind)
