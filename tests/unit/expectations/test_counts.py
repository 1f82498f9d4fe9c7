"""The gate, asked of batches that are not split yet, counts what the row check counts."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import duckdb
import pandas as pd
import pytest
from sending import records

from connectors.sink.row_check import compile_row_check
from datacentre.contracts import Contract, Field
from datacentre.settings import REPOSITORY
from expectations.extra import find_extra
from expectations.gate import validate
from expectations.increment import computed_rules, increment_query
from expectations.landed import as_frame

_STREAMS = sorted(path.stem for path in (REPOSITORY / "schemas" / "contracts").glob("*.yaml"))
_ALSO_WRONG: dict[str, dict[str, list[Any]]] = {
    "jdwnrh__hospital_visit": {"slot_date": ["2025-05-01"]},
    "dot__exit_survey": {"started_at": ["2025-05-31T12:00:00Z"], "submitted_at": ["2025-05-31T11:00:00Z"]},
    "dcrc__census_transfer": {"to_gewog_code": ["BT1401"], "from_gewog_code": ["BT1401"]},
    "pmo__policy_action": {"effective_to": ["2001-01-01"]},
}


@pytest.mark.parametrize("key", _STREAMS)
def test_the_gate_counts_what_the_row_check_counts(contracts: dict[str, Contract], as_batch: Any, key: str) -> None:
    contract, random = contracts[key], Random(key)
    wrong = dict(_wrong_values(contract))
    sent = records(key, 300, event_time="2025-05-31T09:00:00+06:00")
    for record in sent:
        for name in random.sample(sorted(wrong), random.choice([0, 0, 1, 2, 4])):
            record[name] = random.choice(wrong[name])
    broken_rules, increment = _unsplit(contract, as_batch(contract, sent))
    verdict = validate(contract, increment)
    by_gate = {f.name: f.unexpected_count for f in verdict.failing if not f.name.startswith("extra.")}
    by_row_check = Counter(rule for rules in broken_rules for rule in rules)
    # A key that differs from its record is a rule about the message, and identifiers aren't in `landed`.
    not_asked = {r.name for r in contract.record_rules} - {r.name for r in computed_rules(contract)}
    assert len(by_gate) >= 8
    assert by_gate == {
        rule: n for rule, n in by_row_check.items() if not rule.startswith("record.") and rule not in not_asked
    }


def _wrong_values(contract: Contract) -> Iterator[tuple[str, list[Any]]]:
    """By open field, values of the right type that break one of its rules, and some that break a rule of the record."""
    yield "event_time", [None, "2025-06-09T09:00:00Z", "2025-06-09"]
    also = _ALSO_WRONG.get(contract.key, {})
    for field in contract.open_fields:
        values = [*_breaking(field), *also.get(field.name, [])]
        if values and field.name not in ("event_time", "schema"):
            yield field.name, values


def _breaking(field: Field) -> Iterator[Any]:
    if field.required:
        yield None
    if field.type == "array":
        yield from ([["BT01", "XX"]] if field.allowed else [])
    elif field.allowed:
        yield from ("teleported", "")
    elif field.pattern:
        yield from ("?", "A\n", "Vé")
    elif field.max_length:
        yield from ("", "e" * (field.max_length + 1))
    elif field.type == "date":
        yield from ("1890-01-01", "2999-12-31")
    elif isinstance(field.minimum, int | float) and isinstance(field.maximum, int | float):
        yield from (field.minimum - 1, field.maximum + 1)


def _unsplit(contract: Contract, batch: Any) -> tuple[list[list[str]], pd.DataFrame]:
    """The broken rules of every message, and all messages as if they had landed."""
    parameters = {"inner": b"i" * 64, "outer": b"o" * 64} if contract.pseudonymised else {}
    extra = find_extra(contract.key)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        checked = connection.sql(compile_row_check(contract), params=parameters).to_arrow_table()
        connection.execute(
            "create view landed as select *, 'k1' as pseudonym_key_id, '1.0.0' as schema_version from checked"
        )
        increment = as_frame(
            connection.sql(increment_query(contract, {} if extra is None else extra.COLUMNS)).to_arrow_table()
        )
        return checked["broken_rules"].to_pylist(), increment
