"""The files that are generated from the contracts and committed: dbt staging and JSON Schemas."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from datacentre import names
from datacentre.contracts.columns import landed_schema
from datacentre.contracts.identity_sources import identity_sources
from datacentre.contracts.json_schema import json_schema
from datacentre.contracts.model import Contract

__all__ = [
    "agency_groups",
    "dbt_sources",
    "drift",
    "generated_files",
    "json_schema",
    "staging_model",
    "staging_properties",
    "stream_list",
]

_CERTIFICATE = "certificate_id"
_LANDED_DESCRIPTIONS = {
    "kafka_partition": "Partition of the topic that carried the record.",
    "kafka_offset": "Offset of the record in its partition.",
    "broker_time": "When the broker received the record.",
    "ingest_date": "UTC date of broker_time.",
    _CERTIFICATE: "Number of the certificate that released the record to the marts.",
    "record_key": "Kafka key of the record.",
    "is_deleted": "Whether the row asks to forget its key.",
    "has_identity": "Whether the record carried a direct identifier, kept in the vault.",
    "schema_version": "Contract key and version that the record was written to.",
    "event_time": "When the event happened; empty where only its day is known.",
    "event_date": "Local day of the event.",
    "pseudonym_key_id": "Key that the pseudonyms were made with.",
}
_CERTIFIED_RANGE = "One row per certified range of offsets that the version before was built from."
_CERTIFIED_RANGE_COLUMNS = [
    {"name": "stream", "description": "Stream of the range.", "data_type": "varchar"},
    {"name": _CERTIFICATE, "description": "Number of its certificate.", "data_type": "bigint"},
    {"name": "kafka_partition", "description": "Partition of the topic.", "data_type": "integer"},
    {"name": "start_offset", "description": "First offset.", "data_type": "bigint"},
    {"name": "next_offset", "description": "Offset after the last.", "data_type": "bigint"},
]
_UNIQUE_EVENT = {
    "unique_together": {"arguments": {"columns": ["source", "event_id"]}, "config": {"tags": ["whole_stream"]}}
}
_SCALARS = {
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.string(): "varchar",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
}
_SILENT_DAYS = 7
"""Nights and holidays are quiet, and some streams are rare: only this long a silence is an error."""
_HEADER = "Generated from schemas/contracts; change the contract and generate again."


def dbt_sources(contracts: Mapping[str, Contract]) -> str:
    """The `lake` source: one table per stream, with what `landed` holds and the certificate."""
    tables = [
        {
            "name": c.key,
            "description": f"{_sentence(c.grain)}, certified. {c.title}.",
            "config": _freshness(c),
            "columns": _columns(c, ()),
        }
        for c in contracts.values()
    ]
    tables.append({"name": "certified_range", "description": _CERTIFIED_RANGE, "columns": _CERTIFIED_RANGE_COLUMNS})
    tables += identity_sources()
    source = {
        "name": "lake",
        "description": "Landed records inside certified offset ranges, one view per stream.",
        "tables": tables,
    }
    return _yaml({"version": 2, "sources": [source]})


def agency_groups(contracts: Mapping[str, Contract]) -> str:
    """One dbt group per agency, owned by it."""
    owners = {names.agency(c.key): c.agency for c in contracts.values()}
    return _yaml({"version": 2, "groups": [{"name": name, "owner": {"name": o}} for name, o in owners.items()]})


def stream_list(contracts: Mapping[str, Contract]) -> str:
    """The macro that names every stream, for models that look at all of them."""
    listed = "".join(f"        '{key}',\n" for key in contracts)
    return f"""{{# {_HEADER} #}}
{{% macro contract_streams() %}}
    {{{{ return([
{listed}    ]) }}}}
{{% endmacro %}}
"""


def staging_model(contract: Contract) -> str:
    """SQL of one staging model: its stream without duplicates, corrected and deleted events."""
    listed = ",\n".join(f"        {name}" for name, _ in _staged(contract))
    return f"""-- {_HEADER}
with source as (
    {{{{ stage_stream('{contract.key}', source('lake', '{contract.key}')) }}}}
),

renamed as (
    select
{listed}
    from source
),

final as (
    select * from renamed
)

select * from final
"""


def staging_properties(contracts: Mapping[str, Contract]) -> str:
    """Descriptions, grain and tests of all staging models."""
    models = [
        {
            "name": names.staging_model(c.key),
            "description": f"{_sentence(c.grain)}, without duplicates, corrected and deleted events. {c.title}.",
            "config": {"group": names.agency(c.key)},
            "data_tests": [_UNIQUE_EVENT],
            "columns": _columns(c, ("is_deleted",)),
        }
        for c in contracts.values()
    ]
    return _yaml({"version": 2, "models": models})


def generated_files(contracts: Mapping[str, Contract], dbt_project: Path, schemas: Path) -> dict[Path, str]:
    """Path and content of every generated file."""
    staging, json_folder = _folders(dbt_project, schemas)
    files = {
        staging / "_sources.yml": dbt_sources(contracts),
        staging / "_staging.yml": staging_properties(contracts),
        staging / "_groups.yml": agency_groups(contracts),
        dbt_project / "macros" / "contract_streams.sql": stream_list(contracts),
    }
    for contract in contracts.values():
        files[staging / f"{names.staging_model(contract.key)}.sql"] = staging_model(contract)
        text = json.dumps(json_schema(contract), indent=2, ensure_ascii=False)
        files[json_folder / f"{contract.key}.json"] = text + "\n"
    return files


def drift(contracts: Mapping[str, Contract], dbt_project: Path, schemas: Path) -> list[str]:
    """One line per generated file that is missing, differs, or belongs to no contract any more."""
    files = generated_files(contracts, dbt_project, schemas)
    staging, json_folder = _folders(dbt_project, schemas)
    found = [*staging.glob("stg_*.sql"), *json_folder.glob("*.json")]
    lines = [f"{file}: left over, no contract has it" for file in found if file not in files]
    for file, text in files.items():
        if not file.exists():
            lines.append(f"{file}: missing")
        elif file.read_text(encoding="utf-8") != text:
            lines.append(f"{file}: differs from the contracts")
    return sorted(lines)


def _folders(dbt_project: Path, schemas: Path) -> tuple[Path, Path]:
    return dbt_project / "models" / "staging", schemas / "json"


def _landed(contract: Contract) -> list[tuple[str, pa.DataType]]:
    schema = landed_schema(contract)
    columns = list(zip(schema.names, schema.types, strict=True))
    position = schema.names.index("record_key")
    return [*columns[:position], (_CERTIFICATE, pa.int64()), *columns[position:]]


def _staged(contract: Contract) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name, kind in _landed(contract) if name != "is_deleted"]


def _columns(contract: Contract, left_out: tuple[str, ...]) -> list[dict[str, Any]]:
    described = {f.name: f.description for f in contract.open_fields} | {
        str(f.pseudonym_column): f"Keyed pseudonym of {f.name}." for f in contract.pseudonymised
    }
    return [
        {
            "name": name,
            "description": _LANDED_DESCRIPTIONS.get(name) or described[name],
            "data_type": _sql_type(kind),
        }
        for name, kind in _landed(contract)
        if name not in left_out
    ]


def _freshness(contract: Contract) -> dict[str, Any]:
    """How old a stream's newest record may be: `dbt source freshness` warns of more than the contract promises."""
    minutes = -(-contract.freshness_seconds // 60)
    return {
        "loaded_at_field": "broker_time",
        "freshness": {
            "warn_after": {"count": minutes, "period": "minute"},
            "error_after": {"count": _SILENT_DAYS, "period": "day"},
        },
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type that a contract can hold."""
    if pa.types.is_list(kind):
        return f"{_SCALARS[kind.value_type]}[]"
    return _SCALARS[kind]


def _yaml(tree: dict[str, Any]) -> str:
    return f"# {_HEADER}\n" + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)
