"""The columns of a stream's three lake tables, derived from its contract."""

import pyarrow as pa

from datacentre.contracts.model import Contract, Field

INSTANT = pa.timestamp("us", "UTC")
_SCALARS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": INSTANT,
}

ORIGIN = (
    ("kafka_partition", pa.int32()),
    ("kafka_offset", pa.int64()),
    ("broker_time", INSTANT),
    ("ingest_date", pa.date32()),
)
ENVELOPE = (
    ("record_key", pa.string()),
    ("is_deleted", pa.bool_()),
    ("has_identity", pa.bool_()),
    ("schema_version", pa.string()),
    ("event_id", pa.string()),
    ("source", pa.string()),
    ("event_time", INSTANT),
    ("event_date", pa.date32()),
    ("corrects_event_id", pa.string()),
)
BOOKKEEPING_COLUMNS = frozenset({"event_id", "source", "event_time", "schema", "corrects_event_id"})

QUARANTINE = pa.schema(
    [
        *ORIGIN,
        ("record_key", pa.binary()),
        ("value", pa.binary()),
        ("broken_rules", pa.list_(pa.string())),
        ("contract_version", pa.string()),
        ("contract_hash", pa.string()),
        ("status", pa.string()),
        ("replay_id", pa.string()),
        ("patch", pa.string()),
        ("decided_by", pa.string()),
        ("decided_at", INSTANT),
        ("reason", pa.string()),
    ]
)
"""`status` is open, replayed or dismissed; what follows it says by which replay and repair, who, when and why."""


def field_type(field: Field) -> pa.DataType:
    """Arrow type of a field's values."""
    if field.type == "array":
        return pa.list_(_SCALARS[field.item_type or "string"])
    return _SCALARS[field.type]


def own_open_fields(contract: Contract) -> tuple[Field, ...]:
    """The contract's own fields that stay in `landed`, without the bookkeeping ones."""
    return tuple(f for f in contract.open_fields if f.name not in BOOKKEEPING_COLUMNS)


def landed_schema(contract: Contract) -> pa.Schema:
    own = [(f.name, field_type(f)) for f in own_open_fields(contract)]
    return pa.schema([*ORIGIN, *ENVELOPE, *own, *_pseudonyms(contract), ("pseudonym_key_id", pa.string())])


def vault_schema(contract: Contract) -> pa.Schema:
    identifiers = [(f.name, field_type(f)) for f in contract.identifiers]
    return pa.schema([*ORIGIN, ("record_key", pa.string()), *_pseudonyms(contract), *identifiers])


def table_schema(contract: Contract, layer: str) -> pa.Schema:
    """Arrow schema of one of the stream's tables: `landed`, `vault` or `quarantine`."""
    if layer == "quarantine":
        return QUARANTINE
    return landed_schema(contract) if layer == "landed" else vault_schema(contract)


def _pseudonyms(contract: Contract) -> list[tuple[str, pa.DataType]]:
    return [
        (f.pseudonym_column, pa.list_(pa.string()) if f.type == "array" else pa.string())
        for f in contract.pseudonymised
        if f.pseudonym_column
    ]
