"""The gate, asked of batches that are not split yet, counts what the row check counts."""

from collections import Counter
from random import Random
from typing import Any

import duckdb
import pandas as pd
import pytest

from connectors.sink.row_check import compile_row_check
from datacentre.contracts import Contract
from expectations.extra import find_extra
from expectations.gate import validate
from expectations.increment import increment_query
from expectations.landed import as_frame

_WRONG: dict[str, dict[str, list[Any]]] = {
    "jdwnrh__hospital_visit": {
        "event_id": ["", "e" * 129, None],
        "visit_id": ["v-1", "V-1\n", "Vé", None],
        "event": ["teleported", "", None],
        "age_years": [-1, 121],
        "sex": ["f"],
        "department_code": ["NONE"],
        "slot_date": ["2025-05-01"],
        "slot_minutes": [4, 241],
        "triage": [0, 6],
        "event_time": [None, "2025-06-09T09:00:00Z", "2025-06-09"],
    },
    "dot__exit_survey": {
        "language": ["EN", "en\n"],
        "dzongkhags_visited": [["BT01", "XX"], []],
        "overall_rating": [0, 6],
        "nights": [-1, 366],
        "gate": ["gate 1"],
        "nudge_variant": ["", "ok"],
        "started_at": ["2025-05-31T12:00:00Z"],
        "submitted_at": ["2025-05-31T11:00:00Z"],
        "response_id": [None, "r"],
    },
}


@pytest.mark.parametrize("key", _WRONG)
@pytest.mark.parametrize("seed", range(3))
def test_the_gate_counts_what_the_row_check_counts(
    contracts: dict[str, Contract], visits: Any, responses: Any, as_batch: Any, key: str, seed: int
) -> None:
    contract, random = contracts[key], Random(seed)
    records = visits(300) if key.startswith("jdwnrh") else responses([1 + n % 5 for n in range(300)])
    for record in records:
        for name in random.sample(sorted(_WRONG[key]), random.choice([0, 0, 1, 2, 4])):
            record[name] = random.choice(_WRONG[key][name])
    broken_rules, increment = _unsplit(contract, as_batch(contract, records))
    verdict = validate(contract, increment)
    by_gate = {f.name: f.unexpected_count for f in verdict.failing if not f.name.startswith("extra.")}
    by_row_check = Counter(rule for rules in broken_rules for rule in rules)
    assert len(by_gate) >= 8
    # A key that differs from its record is a rule about the message: there is no message in `landed`.
    assert by_gate == {rule: n for rule, n in by_row_check.items() if not rule.startswith("record.")}


def _unsplit(contract: Contract, batch: Any) -> tuple[list[list[str]], pd.DataFrame]:
    """The broken rules of every message, and all messages as if they had landed."""
    parameters = {"inner": b"i" * 64, "outer": b"o" * 64} if contract.pseudonymised else {}
    extra = find_extra(contract.key)
    assert extra is not None
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        checked = connection.sql(compile_row_check(contract), params=parameters).to_arrow_table()
        connection.execute(
            "create view landed as select *, 'k1' as pseudonym_key_id, '1.0.0' as schema_version from checked"
        )
        increment = as_frame(connection.sql(increment_query(contract, extra.COLUMNS)).to_arrow_table())
        return checked["broken_rules"].to_pylist(), increment
