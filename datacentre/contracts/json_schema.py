"""A contract as JSON Schema (draft 2020-12), for producers that check before they send.

It accepts what the row check accepts, in whatever language the validator is written: `format` is optional
there, so dates have a pattern too; `$` lets a last newline pass in many regular expressions, so that is
ruled out beside every pattern. Three things a schema can't say: rules over several fields, names that stand
twice, and that a whole number with a fraction or exponent has at most 15 digits.
"""

import sys
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
_DAY = "[12][0-9]{3}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_PATTERNS = {"date": f"^{_DAY}$", "timestamp": f"^{_DAY}[Tt]{_CLOCK}$"}
_LIMITS: dict[str, tuple[float, float]] = {
    "integer": (-(2**63), 2**63 - 1),
    "number": (-sys.float_info.max, sys.float_info.max),
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
    kind = field.item_type or field.type
    schema: dict[str, Any] = {}
    if field.allowed is not None:
        schema["enum"] = list(field.allowed)
    if kind in _LIMITS:
        least, most = _LIMITS[kind]
        schema["minimum"] = least if field.minimum is None else field.minimum
        schema["maximum"] = most if field.maximum is None else field.maximum
    elif kind in _FORMATS:
        schema |= _time(field)
    elif field.binding_pattern is not None:
        schema |= {"pattern": field.binding_pattern, **_without(r"\n")}
    elif kind == "string" and field.allowed is None:
        schema |= _without(r"\x00")
    return schema


def _time(field: Field) -> dict[str, Any]:
    """An instant, a date, or either; the bounds of dates as patterns."""
    kinds = ["timestamp", "date"] if field.allows_date_only else [field.type]
    shapes = [{"format": _FORMATS[kind], "pattern": _PATTERNS[kind]} for kind in kinds]
    schema: dict[str, Any] = {"anyOf": shapes} if len(shapes) > 1 else dict(shapes[0])
    schema |= _without(r"\n")
    if field.type == "date" and (limits := [*_not_before(field.minimum), *_not_after(field.maximum)]):
        schema["allOf"] = limits
    return schema


def _without(character: str) -> dict[str, Any]:
    return {"not": {"type": "string", "pattern": character}}


def _not_before(bound: float | str | None) -> list[dict[str, str]]:
    """Dates sort as their text does: the same up to a digit, and there a greater one."""
    if bound is None:
        return []
    day = str(bound)
    later = [f"{day[:n]}[{int(c) + 1}-9]" for n, c in enumerate(day) if c in "012345678"]
    return [{"pattern": f"^({'|'.join([*later, day])})"}]


def _not_after(bound: float | str | None) -> list[dict[str, str]]:
    if bound is None:
        return []
    day = str(bound)
    earlier = [f"{day[:n]}[0-{int(c) - 1}]" for n, c in enumerate(day) if c in "123456789"]
    return [{"pattern": f"^({'|'.join([*earlier, day])})"}]


def _bounds(field: Field, least: str, most: str) -> dict[str, int]:
    bounds = ((least, field.min_length), (most, field.max_length))
    return {name: bound for name, bound in bounds if bound is not None}
