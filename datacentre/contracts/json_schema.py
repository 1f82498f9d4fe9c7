"""A contract as JSON Schema (draft 2020-12), for producers that check before they send."""

from typing import Any

from datacentre.contracts.model import Contract, Field

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FORMATS = {"date": "date", "timestamp": "date-time"}
_TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "date": "string",
    "timestamp": "string",
    "array": "array",
}


def json_schema(contract: Contract) -> dict[str, Any]:
    """The schema of one record's value; rules over several fields stay with the centre's own check."""
    return {
        "$schema": DIALECT,
        "$id": f"{contract.key}.json",
        "$comment": f"Generated from schemas/contracts/{contract.key}.yaml; change the contract instead.",
        "title": contract.title,
        "description": contract.purpose,
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in contract.fields if f.required],
        "properties": {f.name: _property(contract, f) for f in contract.fields},
    }


def _property(contract: Contract, field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": field.description}
    if field.name == "schema":
        return {**schema, "const": contract.schema_tag}
    kind = _TYPES[field.type]
    schema["type"] = kind if field.required else [kind, "null"]
    if field.type == "array":
        schema |= _bounds(field, "minItems", "maxItems")
        schema["items"] = {"type": _TYPES[field.item_type or "string"], **_values(field)}
    else:
        schema |= _values(field)
        if "enum" in schema and not field.required:
            schema["enum"] = [*schema["enum"], None]
        schema |= _bounds(field, "minLength", "maxLength")
    if field.unit:
        schema["x-unit"] = field.unit
    schema["x-classification"] = field.classification
    return schema


def _values(field: Field) -> dict[str, Any]:
    """What one value may be; for an array, one item."""
    schema: dict[str, Any] = {}
    if field.allows_date_only:
        schema["anyOf"] = [{"format": "date-time"}, {"format": "date"}]
    elif field.type in _FORMATS:
        schema["format"] = _FORMATS[field.type]
    if field.allowed is not None:
        schema["enum"] = list(field.allowed)
    if field.pattern is not None:
        schema["pattern"] = field.pattern
    if field.type in ("integer", "number"):
        schema |= {
            name: bound for name, bound in (("minimum", field.minimum), ("maximum", field.maximum)) if bound is not None
        }
    return schema


def _bounds(field: Field, least: str, most: str) -> dict[str, int]:
    bounds = ((least, field.min_length), (most, field.max_length))
    return {name: bound for name, bound in bounds if bound is not None}
