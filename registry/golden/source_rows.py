"""The certified rows that statements are made of, each with its identifiers from the vault."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from datacentre.contracts import Contract
from datacentre.contracts.columns import vault_schema
from datacentre.contracts.model import Field
from datacentre.pseudonym import PseudonymKey
from lake.certified_rows import CATALOG
from lake.snapshot import files_with

_PLACE = "kafka_partition = l.kafka_partition and {0}.kafka_offset = l.kafka_offset"


def said(field: Field) -> str:
    """The column of `source_row` that holds a field's value."""
    return f"vault_{field.name}" if field.is_direct_identifier else f"landed_{field.name}"


def read_source_rows(
    connection: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, fields: Sequence[Field], key: PseudonymKey
) -> None:
    """Leave the rows of `wanted` as temporary table `source_row`: their origin, the fields and their pseudonyms.

    A pseudonym whose identifier the vault no longer holds is left out: the person was erased.
    """
    _read_vault(connection, lake, contract, fields)
    columns = ", ".join(f"l.{f.name} as {said(f)}" for f in fields if not f.is_direct_identifier)
    identifiers = ", ".join(f"v.{f.name} as {said(f)}" for f in fields if f.is_direct_identifier)
    pseudonyms = ", ".join(_pseudonym(f) for f in fields if f.pseudonym_column)
    selected = ", ".join(part for part in (columns, identifiers, pseudonyms) if part)
    connection.execute(
        f"""create or replace temp table source_row as
        select '{contract.key}' as stream_key, l.kafka_partition, l.kafka_offset, l.certificate_id, l.record_key,
            l.event_id, l.source, l.event_date, l.event_time, l.broker_time, w.record_hash, w.mark, {selected}
        from {CATALOG}.{contract.key} as l
        join wanted as w on w.{_PLACE.format("w")}
        left join vault_row as v on v.{_PLACE.format("v")}
        where l.certificate_id >= coalesce($oldest, 0)""",
        {"oldest": connection.execute("select min(certificate_id) from wanted").fetchall()[0][0]},
    )
    for field in fields:
        if field.type == "array" and field.pseudonym_column:
            _leave_out_erased(connection, field, key)


def _pseudonym(field: Field) -> str:
    return f"case when v.{field.name} is not null then l.{field.pseudonym_column} end as key_{field.name}"


def _read_vault(connection: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, fields: Sequence[Field]) -> None:
    ranges = connection.execute(
        """select kafka_partition, min(kafka_offset), max(kafka_offset) + 1 from wanted where has_identity
        group by kafka_partition, certificate_id"""
    ).fetchall()
    names = ["kafka_partition", "kafka_offset", *(f.name for f in fields if f.is_direct_identifier)]
    no_rows = pa.schema([vault_schema(contract).field(name) for name in names]).empty_table()
    connection.register("no_vault_rows", no_rows)
    files = files_with(lake, contract, "vault", ranges).files if ranges else ()
    read = "union all by name from read_parquet($files, hive_partitioning = false, union_by_name = true)"
    connection.execute(
        f"""create or replace temp table vault_row as
        select {", ".join(f"v.{name}" for name in names)}
        from (from no_vault_rows {read if files else ""}) as v
        where (v.kafka_partition, v.kafka_offset) in (select (kafka_partition, kafka_offset) from wanted)""",
        {"files": list(files)} if files else None,
    )
    connection.unregister("no_vault_rows")


def _leave_out_erased(connection: duckdb.DuckDBPyConnection, field: Field, key: PseudonymKey) -> None:
    """Where fewer identifiers than pseudonyms are left, keep the pseudonyms of those."""
    column, held = f"key_{field.name}", said(field)
    rows = connection.execute(
        f"select kafka_partition, kafka_offset, {held} from source_row where len({column}) <> len({held})"
    ).fetchall()
    for partition, offset, numbers in rows:
        connection.execute(
            f"update source_row set {column} = $keys where kafka_partition = $partition and kafka_offset = $offset",
            {"keys": [key.pseudonym(n) for n in numbers], "partition": partition, "offset": offset},
        )
