"""The centre on one page: what it says of processes, promises, held increments and alerts."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from datacentre.cli.main import app
from datacentre.control.alerts import raise_alert
from datacentre.control.certificates import Failing, Judgement, Status, record
from datacentre.control.freshness import Freshness, store_freshness
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.services import process, supervisor
from datacentre.services.process_table import ProcessState, process_states
from datacentre.settings import Settings, from_environment
from datacentre.stages.outcome import Outcome, store
from tests.unit.cli.test_errors import NO_BROKER

STREAM = "rcsc__service_feedback"
PUBLISHED = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with certificates, a build that was late, a held increment and an alert."""
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path / "home")})
    held = Judgement(Status.HELD, "critical: rating [stuck]", (Failing("rating", "critical", 2),), "c", "s", 4)
    passed = Judgement(Status.PASSED, "as it is", (), "c", "s", 4)
    detail = {"published": "centre-000007.duckdb", "last_certificate": 2}
    with opened(settings.control_url) as control:
        record(control, STREAM, [OffsetRange(0, 0, 50), OffsetRange(1, 0, 20)], passed)
        record(control, STREAM, [OffsetRange(1, 20, 30)], held)
        store_freshness(control, [Freshness(STREAM, "v", PUBLISHED, 70, 12.25, 301.0, 20.0, None)])
        store(control, Outcome("build", "marts", "certificates to 2", 70, 0, 0, 1.0, detail))
        raise_alert(control, "late", STREAM, "new rows came late")
    return settings


def status(home: Path, *options: str, **environment: str) -> str:
    variables = {"DATACENTRE_HOME": str(home), "KAFKA_BOOTSTRAP_SERVERS": NO_BROKER, **environment}
    done = CliRunner().invoke(app, ["status", *options], env=variables)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_json_has_every_figure(settings: Settings) -> None:
    seen = json.loads(status(settings.home, "--json"))
    stream = next(s for s in seen["streams"] if s["stream"] == STREAM)
    counts = ("topic_end", "lag", "landed", "certified", "held", "newest_certificate", "promised_seconds")
    assert [stream[c] for c in counts] == [None, None, 0, 70, 10, 2, 300]
    assert (stream["freshness"]["produced_p95"], stream["freshness"]["event_p50"]) == (301.0, 20.0)
    assert (seen["marts"]["version"], seen["marts"]["last_certificate"]) == ("centre-000007.duckdb", 2)
    assert [(h["id"], h["range"]) for h in seen["held"]] == [(3, {"partition": 1, "start": 20, "next": 30})]
    assert [a["text"] for a in seen["alerts"]] == ["new rows came late"]
    assert NO_BROKER in seen["problems"][0]


def test_tables_say_it_too(settings: Settings) -> None:
    told = status(settings.home)
    line = next(line for line in told.splitlines() if line.strip().startswith(STREAM))
    assert line.split() == f"{STREAM} 0 70 10 12.2 s / 301.0 s 300 s 11-25 09:30:00 late".split()
    assert "critical: rating [stuck]" in told and "new rows came late" in told
    assert "centre-000007.duckdb" in told and "up to certificate 2" in told


def test_a_process_is_shown_with_pid_and_start_and_once_dead_as_dead(tmp_path: Path) -> None:
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path)})
    with supervisor.wanted(settings.run) as names:
        names.add("sink")
    started = process.start(settings.run, "sink", ["sleep", "60"], os.environ, tmp_path)
    try:
        alive = _sink(settings)
        assert (alive.state, alive.pid) == ("runs", started.pid)
        os.kill(started.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, started.pid, os.WSTOPPED)
        assert _sink(settings).state == "frozen"
        assert alive.since is not None and abs(alive.since - datetime.now(UTC)) < timedelta(seconds=3)
        os.kill(started.pid, signal.SIGKILL)
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
        assert (_sink(settings).state, _sink(settings).pid) == ("dead", None)
    finally:
        process.stop(settings.run, "sink")


def _sink(settings: Settings) -> ProcessState:
    return next(p for p in process_states(settings) if p.name == "sink")


def test_a_store_that_does_not_answer_hides_nothing_else(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/control"
    seen = json.loads(status(tmp_path, "--json", DATACENTRE_CONTROL_URL=url))
    assert "control store" in seen["problems"][1]
    assert (len(seen["streams"]), seen["marts"]) == (8, None)


def test_a_damaged_table_hides_no_other(tmp_path: Path) -> None:
    log = tmp_path / "lake" / "landed" / STREAM / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no log entry")
    seen = json.loads(status(tmp_path, "--json"))
    assert str(log.parent) in seen["problems"][1]
    landed = {s["stream"]: s["landed"] for s in seen["streams"]}
    assert (landed.pop(STREAM), set(landed.values())) == (None, {0})


def test_watching_shows_what_has_changed_and_ends_on_ctrl_c(settings: Settings) -> None:
    screen, terminal = pty.openpty()
    variables = os.environ | {
        "DATACENTRE_HOME": str(settings.home),
        "KAFKA_BOOTSTRAP_SERVERS": NO_BROKER,
        "TERM": "xterm",
        "COLUMNS": "160",
        "LINES": "60",
    }
    command = [sys.executable, "-m", "datacentre.cli", "status", "--watch"]
    watching = subprocess.Popen(
        command,
        env=variables,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=_hear_ctrl_c,
    )
    try:
        _read_until(screen, "new rows came late")
        with opened(settings.control_url) as control:
            raise_alert(control, "held", STREAM, "ten offsets wait")
        _read_until(screen, "ten offsets wait")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0
    finally:
        watching.kill()
        os.close(screen)
        os.close(terminal)


def _hear_ctrl_c() -> None:
    """What a shell starts in the background doesn't, nor what that starts in turn."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read_until(screen: int, text: str) -> None:
    shown, deadline = "", time.monotonic() + 20
    while text not in shown:
        assert time.monotonic() < deadline, shown[-2000:]
        if select.select([screen], [], [], 0.5)[0]:
            shown += os.read(screen, 65_536).decode(errors="replace")
