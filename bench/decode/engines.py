"""Four ways to decode messages into columns: what each takes, and how fast."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import duckdb
import msgspec
import orjson
import pyarrow as pa
import pyarrow.json as pj

from bench.decode.placing import splitter, table_of
from datacentre.contracts import Contract
from datacentre.contracts.columns import field_type

Decode = Callable[[Contract, Sequence[bytes]], int]
"""Decodes all messages and returns how many it took; raises where one bad message fails them all."""

_PYTHON_TYPES = {"integer": int, "number": float, "boolean": bool}


def row_check(contract: Contract, messages: Sequence[bytes]) -> int:
    """The sink's own: types and all rules, a reason for each refused message."""
    keys = [_key(contract, m) for m in messages]
    return _splitter(contract).split(table_of(list(zip(keys, messages, strict=True)))).landed.num_rows


def duckdb_from_json(contract: Contract, messages: Sequence[bytes]) -> int:
    """`from_json` straight to types, guarded by `json_valid`; a wrong type becomes a silent null."""
    batch = pa.table({"value": pa.array(messages, pa.binary())})
    structure = json.dumps({f.name: _duckdb_type(f.type, f.item_type) for f in contract.fields})
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("batch", batch)
        decoded = connection.sql(
            f"""with texts as (select try(decode(value)) as text from batch)
            select case when json_valid(text) then from_json(text, '{structure}') end as record from texts"""
        ).to_arrow_table()
    return len(decoded) - decoded["record"].null_count


def pyarrow_json(contract: Contract, messages: Sequence[bytes]) -> int:
    """`pyarrow.json` over newline-delimited messages; one bad message fails all. It can't read an instant with an
    offset, so dates and instants stay texts."""
    texts = ("date", "timestamp")
    schema = pa.schema([(f.name, pa.string() if f.type in texts else field_type(f)) for f in contract.fields])
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    read = pj.ReadOptions(use_threads=False, block_size=1 << 26)
    return int(pj.read_json(pa.BufferReader(b"\n".join(messages)), read, options).num_rows)


def msgspec_structs(contract: Contract, messages: Sequence[bytes]) -> int:
    """A msgspec struct per message, then columns from Python objects."""
    decoder, taken = _decoder(contract), []
    for message in messages:
        try:
            taken.append(decoder.decode(message))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            continue
    for field in contract.fields:
        pa.array([getattr(record, field.name) for record in taken])
    return len(taken)


def orjson_rows(contract: Contract, messages: Sequence[bytes]) -> int:
    """orjson, types tested in Python, then columns by `from_pylist`; dates and instants stay texts."""
    types = {f.name: _PYTHON_TYPES.get(f.type, list if f.type == "array" else str) for f in contract.fields}
    required = {f.name for f in contract.fields if f.required}
    taken = []
    for message in messages:
        try:
            record = orjson.loads(message)
        except orjson.JSONDecodeError:
            continue
        is_shaped = isinstance(record, dict) and required <= record.keys() <= types.keys()
        if is_shaped and all(v is None or isinstance(v, types[k]) for k, v in record.items()):
            taken.append(record)
    pa.Table.from_pylist(taken)
    return len(taken)


ENGINES: dict[str, Decode] = {
    "row check": row_check,
    "DuckDB from_json": duckdb_from_json,
    "pyarrow.json": pyarrow_json,
    "msgspec": msgspec_structs,
    "orjson": orjson_rows,
}


def takes(engine: str, contract: Contract, value: bytes) -> str:
    """`yes` where the engine takes this one message as one record."""
    try:
        return "yes" if ENGINES[engine](contract, [value]) == 1 else "no"
    except Exception:
        return "no"


_splitter = cache(splitter)


def _key(contract: Contract, message: bytes) -> bytes:
    try:
        record = orjson.loads(message)
        return str(record[contract.kafka_key]).encode()
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return b"ACT-1"


def _duckdb_type(kind: str, item: str | None) -> Any:
    scalars = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE"}
    if kind == "array":
        return [scalars[item or "string"]]
    return scalars.get(kind, "TIMESTAMPTZ")


@cache
def _decoder(contract: Contract) -> msgspec.json.Decoder[Any]:
    fields: list[Any] = []
    for field in contract.fields:
        kind: Any = _PYTHON_TYPES.get(field.type, list[str] if field.type == "array" else str)
        fields.append((field.name, kind) if field.required else (field.name, kind | None, None))
    record = msgspec.defstruct("Record", fields, forbid_unknown_fields=True, kw_only=True)
    return msgspec.json.Decoder(record)
