"""Compile a contract to one DuckDB query that decodes, types and checks a batch in columns.

One row comes out per message in, with every field typed and the names of *all* rules it broke.
Fields are first taken as JSON text: `from_json` straight to a type would turn a wrong type into a
silent null. The list of rule names is built only for rows that broke one.
"""

import json
import re
from collections.abc import Iterable

from datacentre.contracts import Contract, Field, RecordRule

# RFC 3339, in years that every reader of the lake can hold: Python's dates end at 9999, zones shift them.
_DATE = r"^[12]\d{3}-\d{2}-\d{2}$"
_INSTANT = (
    r"^[12]\d{3}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$"
)
# With a fraction or exponent only up to 15 digits: DuckDB reads those as doubles, which are exact that far.
_INTEGER = r"^-?(\d+|\d{1,15}\.0+)$"
# PostgreSQL and C strings can't hold U+0000; an even number of backslashes before it makes it six characters.
_NULL_CHARACTER = r"""contains(_text, '\u0000') and regexp_matches(_text, '(^|[^\\])(\\\\)*\\u0000')"""
# DuckDB's json_valid takes `{"a":1,}`; commas inside texts are blanked out before a second look.
_TRAILING_COMMA = r"""(case when regexp_matches(_text, ',\s*[\]}]')
      then regexp_matches(regexp_replace(_text, '"(\\.|[^"\\])*"', '""', 'g'), ',\s*[\]}]')
      else false end)"""
_OBJECT = r"left(ltrim(_text, e' \t\r\n'), 1) = '{'"
_DUCKDB_TYPES = {
    "string": "varchar",
    "integer": "bigint",
    "number": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
}

SCHEMA_TAGS = """
with decoded as (select try(decode(value)) as _text from batch)
select case when json_valid(_text) then json_extract_string(_text, '$.schema') end as tag from decoded
"""
"""Over a relation `batch`: the contract version that each message names."""


def compile_row_check(contract: Contract) -> str:
    """SQL over a relation `batch(kafka_partition, kafka_offset, broker_time, record_key, value)`.

    Parameters `$inner` and `$outer` are the padded pseudonym keys. Columns out: those of the batch,
    `_key_text`, every contract field, `event_date`, every pseudonym column, `is_deleted`,
    `has_identity` and `broken_rules` (empty list: none).
    """
    fields = contract.fields
    names = [f.name for f in fields]
    as_json = json.dumps(dict.fromkeys(names, "JSON"))
    as_text = json.dumps(dict.fromkeys(names, "VARCHAR"))
    # As many names as known fields with a value: none is unknown, none stands twice, none is null.
    present = " + ".join(f"(_record_json.{quoted(n)} is not null)::int" for n in names)
    typed = ",\n    ".join(f"{_typed(f)} as {quoted(f.name)}" for f in fields)
    return f"""
with decoded as (
  select *, try(decode(value)) as _text, try(decode(record_key)) as _key_text,
    {str(contract.deletes_by_key).lower()} and value is null and record_key is not null as is_deleted
  from batch
), valid as (
  select *, coalesce(json_valid(_text) and not {_TRAILING_COMMA}, false) as _is_json,
    coalesce({_OBJECT} and json_valid(_text) and not {_TRAILING_COMMA}, false) as _is_object
  from decoded
), parsed as (
  select *,
    case when _is_object then from_json(_text, {literal(as_json)}) end as _record_json,
    case when _is_object then from_json(_text, {literal(as_text)}) end as _record_text,
    case when _is_object then json_keys(_text) end as _names
  from valid
), known as (
  select *, coalesce(_record_text.schema = {literal(contract.schema_tag)}, false) as _is_known from parsed
), typed as (
  select kafka_partition, kafka_offset, broker_time, record_key, value,
    _text, _key_text, is_deleted, _is_json, _is_object, _is_known, _names, _record_json, _record_text,
    coalesce(len(_names) <> {present}, false) as _has_odd_names,
    {typed},
    {_event_date(contract)} as event_date
  from known
), checked as (
  select *, {_has_identity(contract)} as has_identity{_pseudonyms(contract)},
    {_broken(contract)} as broken_rules
  from typed
)
select * exclude (_text, _is_json, _is_object, _is_known, _has_odd_names, _names, _record_json, _record_text)
from checked
"""


def compile_derived_columns(contract: Contract) -> str:
    """SQL over a relation `batch` whose fields are already typed: `event_date`, `has_identity`, `is_deleted`
    (false) and, last, `keeps_record_rules`."""
    rules = " and ".join(f"coalesce(({r.expression}), true)" for r in contract.record_rules) or "true"
    return f"""
with dated as (
  select *, {_local_date(contract, "event_time")} as event_date from batch
)
select event_date, {_has_identity(contract)} as has_identity, false as is_deleted,
  {rules} as keeps_record_rules
from dated
"""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return repr(text)
    return "'" + str(text).replace("'", "''") + "'"


def _typed(field: Field) -> str:
    """The typed value, null where it is absent or of the wrong type."""
    text, raw = f"_record_text.{quoted(field.name)}", f"_record_json.{quoted(field.name)}"
    match field.type:
        case "string":
            return f"case when starts_with({raw}, '\"') then {text} end"
        case "integer":
            return f"case when regexp_full_match({raw}, {literal(_INTEGER)}) then try_cast({raw} as bigint) end"
        case "number":
            number = f"try_cast({raw} as double)"
            return f"case when regexp_matches({raw}, '^[-0-9]') and isfinite({number}) then {number} end"
        case "boolean":
            return f"case {raw} when 'true' then true when 'false' then false end"
        case "date":
            return f"case when {_is_text(field, _DATE)} then try_cast({text} as date) end"
        case "timestamp":
            return f"case when {_is_text(field, _INSTANT)} then try_cast(upper({text}) as timestamptz) end"
        case _:
            return _typed_array(field, raw)


def _typed_array(field: Field, raw: str) -> str:
    item = field.item_type or "string"
    test = "starts_with(x, '\"')" if item == "string" else f"regexp_full_match(x, {literal(_INTEGER)})"
    items = f"""from_json({raw}, '["JSON"]')"""
    good = f"list_bool_and(list_transform({items}, lambda x: coalesce({test}, false)))"
    values = f"""from_json({raw}, '["{_DUCKDB_TYPES[item].upper()}"]')"""
    return f"case when starts_with({raw}, '[') and coalesce({good}, true) then {values} end"


def _is_text(field: Field, pattern: str) -> str:
    name = quoted(field.name)
    return f"starts_with(_record_json.{name}, '\"') and regexp_full_match(_record_text.{name}, {literal(pattern)})"


def _event_date(contract: Contract) -> str:
    event_time = contract.field("event_time")
    local = _local_date(contract, _typed(event_time))
    day = f"when {_is_text(event_time, _DATE)} then try_cast(_record_text.event_time as date)"
    return f"case {day} else {local} end" if event_time.allows_date_only else local


def _local_date(contract: Contract, instant: str) -> str:
    return f"cast(({instant}) at time zone {literal(contract.time_zone)} as date)"


def _has_identity(contract: Contract) -> str:
    present = [f"{quoted(f.name)} is not null" for f in contract.identifiers]
    return f"({' or '.join(present)})" if present else "false"


def _pseudonyms(contract: Contract) -> str:
    columns = []
    for field in contract.pseudonymised:
        name = quoted(field.name)
        value = f"list_transform({name}, lambda x: {_hmac('x')})" if field.type == "array" else _hmac(_usable(field))
        columns.append(f",\n    {value} as {quoted(field.pseudonym_column or '')}")
    return "".join(columns)


def _usable(field: Field) -> str:
    """The value, or null where it is a person's number that doesn't match its pattern; over the relation `typed`."""
    name = f"typed.{quoted(field.name)}"
    is_bound = field.binding_pattern == field.pattern
    return name if is_bound else f"case when not {_pattern_broken(field, name)} then {name} end"


def _hmac(value: str) -> str:
    return f"sha256($outer::blob || unhex(sha256($inner::blob || encode({value}))))"


def _broken(contract: Contract) -> str:
    return f"""case
      when is_deleted then {_named(_deletion_rules())}
      when not _is_known then {_named(_shape_rules(contract))}
      else {_named(_content_rules(contract))} end"""


def _named(rules: Iterable[tuple[str, str]]) -> str:
    cases = ", ".join(f"case when {condition} then {literal(name)} end" for name, condition in rules)
    return f"list_filter([{cases}]::varchar[], lambda x: x is not null)"


def _deletion_rules() -> Iterable[tuple[str, str]]:
    yield "record.key_not_utf8", "_key_text is null"
    yield "record.null_character", "contains(_key_text, chr(0))"


def _shape_rules(contract: Contract) -> Iterable[tuple[str, str]]:
    """What can be said of a message that doesn't name this contract's version."""
    yield "record.null_key", "record_key is null"
    yield "record.null_value", "value is null"
    yield "record.not_utf8", "value is not null and _text is null"
    yield "record.not_json", "_text is not null and not _is_json"
    yield "record.not_object", "_is_json and not _is_object"
    yield "schema.required", "_is_object and _record_json.schema is null"
    yield "record.unknown_contract", "_is_object and _record_json.schema is not null"


def _content_rules(contract: Contract) -> Iterable[tuple[str, str]]:
    """Every rule of the contract; a null condition counts as kept."""
    key = quoted(contract.kafka_key)
    yield "record.null_key", "record_key is null"
    yield "record.key_not_utf8", "record_key is not null and _key_text is null"
    yield "record.key_mismatch", f"coalesce(_key_text <> {key}, false)"
    yield "record.null_character", _NULL_CHARACTER
    known = ", ".join(literal(f.name) for f in contract.fields)
    yield "record.unknown_field", f"_has_odd_names and not list_has_all([{known}], _names)"
    yield "record.duplicate_key", "_has_odd_names and len(_names) <> len(list_distinct(_names))"
    for field in contract.fields:
        yield from _field_rules(field)
    for rule in contract.record_rules:
        yield rule.name, f"not coalesce(({_over_usable(contract, rule)}), true)"


def _over_usable(contract: Contract, rule: RecordRule) -> str:
    """The rule's expression, to which a number that can't be used is a missing one."""
    read = [f for f in contract.pseudonymised if re.search(rf"\b{f.name}\b", rule.expression)]
    usable = ", ".join(f"{_usable(f)} as {quoted(f.name)}" for f in read if f.binding_pattern != f.pattern)
    return f"select ({rule.expression}) from (select {usable})" if usable else rule.expression


def _field_rules(field: Field) -> Iterable[tuple[str, str]]:
    name, raw = quoted(field.name), f"_record_json.{quoted(field.name)}"
    if field.required:
        yield f"{field.name}.required", f"{raw} is null"
    typed = "event_date" if field.name == "event_time" else name
    yield f"{field.name}.type", f"{raw} is not null and {typed} is null"
    if field.allowed is not None:
        allowed = ", ".join(literal(v) for v in field.allowed)
        bad = f"not list_has_all([{allowed}], {name})" if field.type == "array" else f"{name} not in ({allowed})"
        yield f"{field.name}.allowed", f"coalesce({bad}, false)"
    if field.binding_pattern is not None:
        yield f"{field.name}.pattern", f"coalesce({_pattern_broken(field, name)}, false)"
    if (bound := _out_of_range(field, name)) is not None:
        yield f"{field.name}.range", f"coalesce({bound}, false)"
    if (bound := _out_of_length(field, name)) is not None:
        yield f"{field.name}.length", f"coalesce({bound}, false)"


def _pattern_broken(field: Field, name: str) -> str:
    pattern = literal(field.pattern)
    if field.type == "array":
        return f"len(list_filter({name}, lambda x: not regexp_full_match(x, {pattern}))) > 0"
    return f"not regexp_full_match({name}, {pattern})"


def _out_of_range(field: Field, name: str) -> str | None:
    cast = f"::{_DUCKDB_TYPES[field.type]}" if field.type in ("date", "timestamp") else ""
    bounds = []
    if field.minimum is not None:
        bounds.append(f"{name} < {literal(field.minimum)}{cast}")
    if field.maximum is not None:
        bounds.append(f"{name} > {literal(field.maximum)}{cast}")
    return " or ".join(bounds) or None


def _out_of_length(field: Field, name: str) -> str | None:
    size = f"len({name})" if field.type == "array" else f"length({name})"
    bounds = []
    if field.min_length is not None:
        bounds.append(f"{size} < {field.min_length}")
    if field.max_length is not None:
        bounds.append(f"{size} > {field.max_length}")
    return " or ".join(bounds) or None
