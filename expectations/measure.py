"""What was measured of one increment for one batch rule, and what it may be."""

from dataclasses import dataclass

import pyarrow as pa

from datacentre.contracts.batch_rules import BatchRule


@dataclass(frozen=True)
class Measure:
    """`value` should lie in `[at_least, at_most]`; it was taken from `asked` rows. `rows` are the origins of those that
    speak against it, None where the rule is about the whole. `of` says what was measured, never a value of a record."""

    rule: str
    severity: str
    value: float
    at_least: float
    at_most: float
    of: str
    asked: int
    rows: pa.Table | None = None


def of_whole(
    rule: BatchRule,
    value: float,
    at_most: float,
    of: str,
    asked: int,
    *,
    at_least: float = 0.0,
    name: str | None = None,
) -> Measure:
    """A measure that no single row can be blamed for; `name` where the rule has several."""
    return Measure(name or rule.names[0], rule.severity, value, at_least, at_most, of, asked)


def share_of(rule: BatchRule, at_most: float, against: pa.Table, asked: int) -> Measure:
    """The share of the rows `against` among `asked` rows."""
    value = against.num_rows / asked
    return Measure(rule.names[0], rule.severity, value, 0.0, at_most, f"share of {asked} rows", asked, against)
