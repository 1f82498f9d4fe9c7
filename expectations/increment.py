"""The query that fetches an increment as the gate wants it, with multi-column rules as boolean columns.

Great Expectations looks at single columns; a rule over several, or over the items of an array, is
worked out by DuckDB while fetching and is then expected to be true. A record rule that reads a direct
identifier can't be asked again here: identifiers aren't in `landed`. The row check has judged it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from datacentre.contracts import Contract, Field
from datacentre.contracts.columns import own_open_fields

_ORIGIN = ("kafka_partition", "kafka_offset", "is_deleted")
_BOOKKEEPING = ("schema_version", "event_id", "source", "event_time", "event_date", "corrects_event_id")


@dataclass(frozen=True)
class ComputedRule:
    """A rule that DuckDB works out: its name, the boolean column it becomes, and the expression."""

    name: str
    expression: str

    @property
    def column(self) -> str:
        return "rule__" + self.name.replace(".", "__")


def increment_query(contract: Contract, extra_columns: Mapping[str, str]) -> str:
    """SQL over a relation `landed` that holds the rows of the increment; one row out per row in.

    Columns: origin, the scalar open fields, `pseudonym_key_id`, one boolean per computed rule, and
    `extra_columns` (name to SQL expression). Arrays stay behind, their rules come as booleans.
    """
    scalars = [f.name for f in own_open_fields(contract) if f.type != "array"]
    columns = [f'"{name}"' for name in (*_ORIGIN, *_BOOKKEEPING, *scalars, "pseudonym_key_id")]
    columns += [f'coalesce({r.expression}, true) as "{r.column}"' for r in computed_rules(contract)]
    columns += [f'{expression} as "{name}"' for name, expression in extra_columns.items()]
    return f"select {', '.join(columns)} from landed order by kafka_partition, kafka_offset"


def computed_rules(contract: Contract) -> tuple[ComputedRule, ...]:
    """The rules of the contract that read several columns or an array's items."""
    rules = [ComputedRule("event_time.required", "event_date is not null or event_time is not null")]
    for field in own_open_fields(contract):
        if field.type == "array":
            rules += (ComputedRule(name, sql) for name, sql in _array_rules(field))
    identifiers = {f.name for f in contract.identifiers}
    rules += (
        ComputedRule(rule.name, f"({rule.expression})")
        for rule in contract.record_rules
        if identifiers.isdisjoint(_words(rule.expression))
    )
    return tuple(rules)


def _array_rules(field: Field) -> Iterator[tuple[str, str]]:
    name = f'"{field.name}"'
    if field.required:
        yield f"{field.name}.required", f"{name} is not null"
    if field.allowed is not None:
        yield f"{field.name}.allowed", f"list_has_all([{_literals(field.allowed)}], {name})"
    if field.pattern is not None:
        fits = f"regexp_full_match(item, {_literals([field.pattern])})"
        yield f"{field.name}.pattern", f"len(list_filter({name}, lambda item: not {fits})) = 0"
    bounds = [(">=", field.min_length), ("<=", field.max_length)]
    sides = [f"len({name}) {operator} {bound}" for operator, bound in bounds if bound is not None]
    if sides:
        yield f"{field.name}.length", " and ".join(sides)


def _literals(values: Iterable[str | int]) -> str:
    return ", ".join(str(v) if isinstance(v, int) else "'" + v.replace("'", "''") + "'" for v in values)


def _words(expression: str) -> set[str]:
    """The identifiers in a SQL expression; text in single quotes isn't one."""
    return set(re.findall(r"[a-z_][a-z0-9_]*", re.sub(r"'(?:[^']|'')*'", "", expression.lower())))
