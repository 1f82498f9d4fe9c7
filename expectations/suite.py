"""The suite of a stream: what its contract says, as Great Expectations.

A record rule has the same name here as in the row check (`<field>.required`, `.allowed`, `.pattern`,
`.range`, `.length`, or its own), kept in `meta["rule"]`, so that the gate and the quarantine speak alike.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from datacentre.contracts import Contract, Field
from datacentre.contracts.columns import own_open_fields
from expectations.extra import find_extra
from expectations.increment import computed_rules
from expectations.measure import Measure

_ENVELOPE = ("event_id", "source", "corrects_event_id")


@dataclass(frozen=True)
class Suite:
    """All that an increment is held against: `of_batch` for every row of it, `of_records` for those that aren't
    deletions. `hash` is SHA-256 over both and the contract's batch rules, as 64 hex digits."""

    of_batch: tuple[Expectation, ...]
    of_records: tuple[Expectation, ...]
    hash: str


@cache
def suite_of(contract: Contract) -> Suite:
    """The stream's suite; made once in a process for a contract."""
    of_batch = _batch_suite(contract)
    of_records = [*_record_suite(contract), *_extra_suite(contract)]
    documents = [json.dumps(r.configuration.to_json_dict(), sort_keys=True) for r in (*of_batch, *of_records)]
    documents += [json.dumps(asdict(rule), sort_keys=True) for rule in contract.batch_rules]
    digest = hashlib.sha256("\n".join(sorted(documents)).encode()).hexdigest()
    return Suite(tuple(of_batch), tuple(of_records), digest)


def measure_suite(by_column: Mapping[str, Measure]) -> list[Expectation]:
    """One expectation per measure, over the column of a one-row table that holds it: its maximum is its value."""
    return [
        gxe.ExpectColumnMaxToBeBetween(
            column=column,
            min_value=measure.at_least,
            max_value=measure.at_most,
            severity=FailureSeverity(measure.severity),
            meta={"rule": measure.rule},
        )
        for column, measure in by_column.items()
    ]


def _batch_suite(contract: Contract) -> list[Expectation]:
    """What must hold for every row of an increment, deletions included."""
    rules: list[Expectation] = [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, meta={"rule": "batch.not_empty"}),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["kafka_partition", "kafka_offset"], meta={"rule": "batch.unique_offset"}
        ),
    ]
    if contract.pseudonymised:
        # Two keys in one batch give one person two pseudonyms, without a trace in the rows.
        rules.append(
            gxe.ExpectColumnUniqueValueCountToBeBetween(
                column="pseudonym_key_id", min_value=1, max_value=1, meta={"rule": "batch.one_pseudonym_key"}
            )
        )
    return rules


def _record_suite(contract: Contract) -> list[Expectation]:
    """What must hold for every record that isn't a deletion: the contract's rules, once more."""
    rules: list[Expectation] = [
        gxe.ExpectColumnValuesToNotBeNull(column="schema_version", meta={"rule": "schema.required"})
    ]
    own = {f.name for f in own_open_fields(contract) if f.type != "array"}
    for field in contract.open_fields:
        if field.name in own or field.name in _ENVELOPE:
            rules += _field_rules(field)
    for rule in computed_rules(contract):
        rules.append(gxe.ExpectColumnValuesToBeInSet(column=rule.column, value_set=[True], meta={"rule": rule.name}))
    return rules


def _extra_suite(contract: Contract) -> list[Expectation]:
    """What was written by hand for this stream in `expectations/extra`, if anything."""
    extra = find_extra(contract.key)
    return [] if extra is None else list(extra.expectations())


def _field_rules(field: Field) -> Iterator[Expectation]:
    column, meta = field.name, _named(field)
    if field.required:
        yield gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta("required"))
    if field.allowed is not None:
        yield gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(field.allowed), meta=meta("allowed"))
    if field.pattern is not None:
        # The row check matches the whole value; this expectation searches, and `$` allows a last newline.
        whole = rf"\A(?:{field.pattern})\Z"
        yield gxe.ExpectColumnValuesToMatchRegex(column=column, regex=whole, meta=meta("pattern"))
    if field.minimum is not None or field.maximum is not None:
        yield gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=_bound(field, field.minimum),
            max_value=_bound(field, field.maximum),
            meta=meta("range"),
        )
    if field.min_length is not None or field.max_length is not None:
        yield gxe.ExpectColumnValueLengthsToBeBetween(
            column=column, min_value=field.min_length, max_value=field.max_length, meta=meta("length")
        )


def _named(field: Field) -> Callable[[str], dict[str, Any]]:
    """A rule on values has nothing to say of a column that is empty in this increment."""
    return lambda kind: {"rule": f"{field.name}.{kind}", "min_values": 0 if kind == "required" else 1}


def _bound(field: Field, bound: float | str | None) -> Any:
    """A bound that can be compared with the column: dates have no zone there, timestamps are UTC."""
    if not isinstance(bound, str):
        return bound
    instant = datetime.fromisoformat(bound)
    if field.type == "date":
        return instant.replace(tzinfo=None)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
