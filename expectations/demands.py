"""What each expectation of a suite demands, in words that a reader of the validation pages understands.

The words come from the contract and the suite; no value of a record is in them.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from great_expectations.expectations.expectation import Expectation

from datacentre.contracts import Contract, Field
from datacentre.contracts.batch_rules import BatchRule
from datacentre.control.validations import Demand
from expectations.suite import suite_of

_SHOWN_VALUES = 12


@cache
def demands_of(contract: Contract) -> tuple[Demand, ...]:
    """Of the stream's suite, in its order; made once in a process for a contract."""
    suite = suite_of(contract)
    rules = [_demand(contract, e) for e in (*suite.of_batch, *suite.of_records)]
    return (*rules, *(demand for rule in contract.batch_rules for demand in _of_rule(rule)))


def _demand(contract: Contract, expectation: Expectation) -> Demand:
    configuration = expectation.configuration
    return Demand(
        expectation=configuration.meta["rule"],
        kind=configuration.type,
        column=configuration.kwargs.get("column"),
        severity=configuration.severity.value,
        words=_words(contract, configuration),
    )


def _of_rule(rule: BatchRule) -> Iterator[Demand]:
    """Its kind is what is measured: to Great Expectations all measures are columns of one table."""
    columns = ", ".join(rule.columns) or None
    words = f"{rule.description} Asked from {rule.measure.minimum_rows} rows on."
    for name in rule.names:
        yield Demand(name, rule.measure.measure, columns, rule.severity, words)


def _words(contract: Contract, configuration: Any) -> str:
    """Its own words (`meta["demands"]`), the contract's, or those for its kind; from how many values on it is asked."""
    rule, meta = configuration.meta["rule"], configuration.meta
    described = {r.name: r.description for r in contract.record_rules}
    words = meta.get("demands") or described.get(rule) or _of_field(contract, rule) or _of_kind(configuration)
    least = meta.get("min_values", 0)
    return f"{words} Asked from {least} values on." if least > 1 else words


def _of_field(contract: Contract, rule: str) -> str | None:
    name, _, kind = rule.partition(".")
    field = next((f for f in contract.fields if f.name == name), None)
    return _FIELD_RULES[kind](field) if field is not None and kind in _FIELD_RULES else None


def _allowed(field: Field) -> str:
    values = [str(v) for v in field.allowed or ()]
    each = "Each item" if field.type == "array" else "It"
    if len(values) > _SHOWN_VALUES:
        listed = f" of the list {field.code_list}" if field.code_list else ""
        return f"{each} is one of {len(values)} codes{listed}."
    return f"{each} is one of: {', '.join(values)}."


def _length(field: Field) -> str:
    what = "items" if field.type == "array" else "characters"
    return f"It has {_between(field.min_length, field.max_length)} {what}."


_FIELD_RULES: Mapping[str, Callable[[Field], str]] = {
    "required": lambda field: "It has a value.",
    "allowed": _allowed,
    "pattern": lambda field: f"It matches {field.pattern} as a whole.",
    "range": lambda field: f"It is {_between(field.minimum, field.maximum)}.",
    "length": _length,
}


def _of_kind(configuration: Any) -> str:
    """For a kind that has no words here, Great Expectations' own name of it."""
    kwargs = configuration.kwargs
    words = _KINDS.get(configuration.type, configuration.type.replace("_", " ").capitalize() + ".")
    told = words.format(
        column=kwargs.get("column"),
        bounds=_between(kwargs.get("min_value"), kwargs.get("max_value")),
        columns=" and ".join(kwargs.get("column_list", ())),
        values=", ".join(str(v).lower() for v in kwargs.get("value_set") or ()),
    )
    share = kwargs.get("mostly", 1)
    return told if share == 1 else f"{told[:-1]}, in at least {share:.0%} of the rows that have one."


_KINDS = {
    "expect_table_row_count_to_be_between": "The number of rows is {bounds}.",
    "expect_compound_columns_to_be_unique": "No two rows have the same {columns}.",
    "expect_column_unique_value_count_to_be_between": "The number of distinct values of {column} is {bounds}.",
    "expect_column_stdev_to_be_between": "The standard deviation of {column} is {bounds}.",
    "expect_column_mean_to_be_between": "The mean of {column} is {bounds}.",
    "expect_column_values_to_be_between": "Each value of {column} is {bounds}.",
    "expect_column_values_to_be_in_set": "Each value of {column} is {values}.",
}


def _between(least: object, most: object) -> str:
    if least is None or most is None:
        return f"at most {most}" if least is None else f"at least {least}"
    return f"{least}" if least == most else f"{least} to {most}"
