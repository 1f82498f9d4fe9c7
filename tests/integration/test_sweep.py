"""What a sweep finds in a real centre: streams that are late or stopped, and parts that die again and again."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.sink.poison import Stops
from datacentre.contracts import Contract
from datacentre.control import certificates
from datacentre.control.alerts import open_alerts
from datacentre.control.certificates import Judgement, Status
from datacentre.control.freshness import Freshness, store_freshness
from datacentre.control.published import LAST_CERTIFICATE
from datacentre.control.store import opened
from datacentre.services.restarts import forget_restarts, note_restart
from datacentre.settings import Settings
from datacentre.stages.alerting import LATE, alarm
from datacentre.stages.land import land
from datacentre.stages.outcome import Outcome, store
from datacentre.stages.seen import read_seen, write_seen
from datacentre.stages.sweep import sweep
from lake.positions import landed_positions
from tests.conftest import fresh_topics
from tests.votes import STREAM, produce, vote

pytestmark = pytest.mark.broker


@pytest.fixture
def control(centre: Settings) -> Iterator[sa.Engine]:
    with opened(centre.control_url) as engine:
        yield engine


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


def let_pass(centre: Settings, seconds: float) -> None:
    """As if the sweeps before had been so much earlier."""
    known = read_seen(centre.run)
    write_seen(centre.run, {k: tuple(replace(s, at=s.at - seconds) for s in entries) for k, entries in known.items()})


def certify(control: sa.Engine, positions: dict[int, int]) -> int:
    """From where the last certificates end; returns the highest number."""
    judgement = Judgement(Status.PASSED, "all met", (), "c", "s", 1)
    return certificates.record(control, STREAM, certificates.pending(control, STREAM, positions), judgement)[-1]


def publish(control: sa.Engine, number: int, age: float, minutes_ago: float = 0) -> None:
    """What a build notes that has shown rows of this age."""
    store(control, Outcome("build", "marts", "", 0, 0, 0, 1.0, {LAST_CERTIFICATE: number}))
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    store_freshness(control, [Freshness(STREAM, f"centre-{number}", at, 1, age, age, None, None)])


def found(control: sa.Engine) -> list[tuple[str, str]]:
    return [(a.kind, a.stream) for a in open_alerts(control)]


def test_records_that_nobody_lands_or_publishes_are_late_until_they_are_published(
    centre: Settings, contract: Contract, control: sa.Engine
) -> None:
    produce(centre, (vote(contract, n) for n in range(50)))
    sweep(centre)
    assert found(control) == []
    let_pass(centre, contract.freshness_seconds + 1)
    sweep(centre)
    (late,) = open_alerts(control)
    assert (late.kind, late.stream) == ("late", STREAM)
    assert f"promised {contract.freshness_seconds} (offsets p0 from 0, p1 from 0)" in late.text

    land(centre, [STREAM])
    number = certify(control, landed_positions(centre.lake, contract))
    sweep(centre)
    assert found(control) == [("late", STREAM)]
    publish(control, number, age=contract.freshness_seconds - 9)
    sweep(centre)
    assert found(control) == []


def test_a_late_build_keeps_it_open_until_one_is_in_time_or_ten_minutes_were_quiet(
    centre: Settings, contract: Contract, control: sa.Engine
) -> None:
    too_old = contract.freshness_seconds + 9
    for after, stays in ((too_old, True), (3, False), (too_old, True)):
        alarm(centre, control, LATE, STREAM, "as the build has told")
        publish(control, 0, after)
        sweep(centre)
        assert bool(found(control)) is stays
    publish(control, 0, too_old, minutes_ago=11)
    sweep(centre)
    assert found(control) == []


def test_without_a_broker_what_has_landed_is_judged(centre: Settings, contract: Contract, control: sa.Engine) -> None:
    produce(centre, (vote(contract, n) for n in range(50)))
    land(centre, [STREAM])
    alone = replace(centre, bootstrap_servers="127.0.0.1:1")
    sweep(alone)
    let_pass(centre, contract.freshness_seconds + 1)
    sweep(alone)
    assert found(control) == [("late", STREAM)]


def test_a_stopped_stream_is_an_alert_until_it_is_resumed(
    centre: Settings, contract: Contract, control: sa.Engine
) -> None:
    produce(centre, (vote(contract, 10 * n) for n in range(600)))
    land(centre, [STREAM])
    sweep(centre)
    (alert,) = open_alerts(control)
    assert (alert.kind, alert.stream) == ("poison", STREAM)
    assert f"datacentre resume {STREAM}" in alert.text and "perhaps" not in alert.text
    Stops(centre.home).resume(STREAM, accept=True)
    sweep(centre)
    assert found(control) == []


def test_a_stream_that_the_sink_leaves_out_is_an_alert_until_it_takes_it(
    centre: Settings, contracts: dict[str, Contract], control: sa.Engine
) -> None:
    produce(centre, (vote(contracts[STREAM], n) for n in range(50)))
    land(centre, [STREAM])
    fresh_topics(centre.bootstrap_servers, contracts)
    (problem,) = [o.detail["error"] for o in land(centre, [STREAM, "dot__departures"]) if "error" in o.detail]
    sweep(centre)
    (alert,) = open_alerts(control)
    assert (alert.kind, alert.stream, alert.text) == ("left out", STREAM, problem)
    shutil.rmtree(centre.lake)
    land(centre, [STREAM])
    sweep(centre)
    assert found(control) == []


def died(centre: Settings, *minutes_ago: float) -> None:
    for minutes in minutes_ago:
        note_restart(centre.run, "sink", time.time() - 60 * minutes)


def test_a_part_that_dies_again_and_again_is_an_alert_until_ten_quiet_minutes(
    centre: Settings, control: sa.Engine
) -> None:
    centre.run.mkdir()
    died(centre, 14, 9, 1)
    sweep(centre)
    assert found(control) == []
    died(centre, 0.5)
    sweep(centre)
    (alert,) = open_alerts(control)
    assert (alert.kind, alert.stream) == ("restarts", "sink")
    assert "started again 4 times, the last 3 within ten minutes" in alert.text
    forget_restarts(centre.run, "sink")
    died(centre, 21, 12, 9.5)
    sweep(centre)
    assert found(control) == [("restarts", "sink")]
    forget_restarts(centre.run, "sink")
    died(centre, 21, 12, 10.1)
    sweep(centre)
    assert found(control) == []


def test_a_home_without_a_store_gets_none(centre: Settings) -> None:
    sweep(centre)
    assert not Path(centre.home / "control.sqlite").exists()
