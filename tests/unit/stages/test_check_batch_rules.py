"""Batch rules in the check stage: what holds, what only tells, and what a second check says."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Splitter
from datacentre.contracts import load_contracts
from datacentre.control import certificates
from datacentre.control.alerts import open_alerts
from datacentre.control.store import opened
from datacentre.control.tables import alert
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import REPOSITORY, Settings, from_environment
from datacentre.stages.check import check
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import create_table

STREAM = "rcsc__service_feedback"
BROKER_TIME_MS = 1_748_764_800_000  # 2025-06-01T08:00:00Z
Land = Callable[[int, range], None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shutil.copytree(REPOSITORY / "schemas", tmp_path / "schemas")
    return from_environment(
        {"DATACENTRE_HOME": str(tmp_path / "home"), "DATACENTRE_SCHEMAS": str(tmp_path / "schemas")}
    )


def set_severity(settings: Settings, rule: str, severity: str) -> None:
    file = settings.contracts / f"{STREAM}.yaml"
    before, name, after = file.read_text(encoding="utf-8").partition(f"name: {rule}\n")
    assert name
    old = "critical" if severity == "warning" else "warning"
    file.write_text(before + name + after.replace(f"severity: {old}", f"severity: {severity}", 1), encoding="utf-8")


@pytest.fixture
def land(settings: Settings) -> Land:
    """Lands feedback with these event numbers behind what a partition has."""
    contract = load_contracts(settings.schemas)[STREAM]
    log = CommitLog(create_table(settings.lake, contract, "landed", "cluster/topic"))
    splitter, following = Splitter(contract, PseudonymKey("k1", b"s" * 32)), dict.fromkeys(range(3), 0)

    def commit(partition: int, numbers: range) -> None:
        batch, start = Batch(), following[partition]
        for number in numbers:
            record = _feedback(number)
            message = (BROKER_TIME_MS, record["feedback_id"].encode(), json.dumps(record).encode())
            batch.add(Chunk.of(STREAM, [(partition, following[partition], *message)]))
            following[partition] += 1
        landed = splitter.split(batch.table()).landed
        assert len(landed) == len(numbers)
        append(log, landed, {partition: (start, following[partition])}, "rules")

    return commit


def _feedback(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "source": "rcsc/tool",
        "event_time": "2025-06-01T13:59:00+06:00",
        "schema": f"{STREAM}@1.0.0",
        "feedback_id": f"F-{number}",
        "service_code": "cid-first",
        "rating": 4,
    }


def alerts(settings: Settings) -> list[tuple[str, str, str]]:
    with opened(settings.control_url) as control:
        return [(a.kind, a.stream, a.text) for a in open_alerts(control)]


def test_a_warning_tells_and_lets_the_increment_through(settings: Settings, land: Land) -> None:
    land(0, range(60))
    (first,) = check(settings)
    assert (first.detail["reasons"], first.detail["held"]) == ([], [])
    land(1, range(20, 80))
    (second,) = check(settings)
    assert (second.rows_out, second.detail["held"]) == (60, [])
    assert second.detail["warning"] == {"batch.events_once": 40}
    told = "warning: batch.events_once (share of 60 rows 0.666667, allowed at most 0.02)"
    assert second.detail["reasons"] == [told]
    assert alerts(settings) == [("warned", STREAM, told)]


def test_an_alert_of_warnings_is_over_after_an_hour_without_one(settings: Settings, land: Land) -> None:
    land(0, range(60))
    land(1, range(60))
    check(settings)
    assert [kind for kind, _, _ in alerts(settings)] == ["warned"]
    land(0, range(100, 160))
    check(settings)
    assert [kind for kind, _, _ in alerts(settings)] == ["warned"]
    with opened(settings.control_url) as control, control.begin() as connection:
        connection.execute(alert.update().values(seen_at=datetime.now(UTC) - timedelta(minutes=61)))
    check(settings)
    assert alerts(settings) == []


def test_a_critical_rule_holds_with_record_ids_and_does_so_again(settings: Settings, land: Land) -> None:
    set_severity(settings, "events_once", "critical")
    land(0, range(60))
    land(1, range(100, 150))
    assert sum(o.rows_out for o in check(settings)) == 110
    land(2, range(57, 117))
    (outcome,) = check(settings)
    assert (outcome.rows_in, outcome.rows_out) == (60, 0)
    with opened(settings.control_url) as control:
        (held,) = certificates.held(control, STREAM)
        (failing,) = held.failing
        assert (failing.expectation, failing.severity, failing.unexpected_count) == (
            "batch.events_once",
            "critical",
            20,
        )
        assert failing.record_ids == ("2:0", "2:1", "2:2", *(f"2:{n}" for n in range(43, 60)))
        certificates.recheck(control, held.id, "somebody", "look again")
    land(0, range(200, 205))  # is judged in the same increment as the held range
    (again,) = check(settings)
    with opened(settings.control_url) as control:
        first, second = certificates.held(control, STREAM)
    assert again.rows_out == 0 and {str(first.range), str(second.range)} == {"p0 60..65", "p2 0..60"}
    assert next(c for c in (first, second) if c.range.partition == 2).failing[0].record_ids == failing.record_ids


def test_a_rule_that_was_made_milder_lets_a_held_increment_through(settings: Settings, land: Land) -> None:
    set_severity(settings, "events_once", "critical")
    land(0, range(60))
    check(settings)
    land(1, range(60))
    check(settings)
    set_severity(settings, "events_once", "warning")
    with opened(settings.control_url) as control:
        (held,) = certificates.held(control, STREAM)
        certificates.recheck(control, held.id, "somebody", "the rule was too strict")
    (outcome,) = check(settings)
    assert (outcome.rows_out, outcome.detail["warning"]) == (60, {"batch.events_once": 60})
