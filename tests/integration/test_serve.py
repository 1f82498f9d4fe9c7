"""The service as it is started and killed: a reader goes on by its cursor, the log holds every answer."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from datacentre.control.ranges import OffsetRange
from datacentre.settings import REPOSITORY
from sharing.access_log.verification import entries, verify
from sharing.agreements import load_agreements
from tests.conftest import two_free_ports
from tests.unit.sharing.centre import CASES, Centre, centre_in, write_release
from tests.unit.stages.conftest import STREAM, lander

PURPOSE = "service-evaluation"
READERS = REPOSITORY / "docs" / "readers"


Program = subprocess.Popen[str]


@pytest.fixture
def started() -> Iterator[Callable[[Program], Program]]:
    """Sees that a program ends with its test."""
    with ExitStack() as ending:

        def end_with_the_test(program: Program) -> Program:
            ending.callback(program.kill)
            return program

        yield end_with_the_test


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return centre_in(tmp_path)


def environment(centre: Centre) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("DATACENTRE_")}
    return own | {"DATACENTRE_HOME": str(centre.settings.home)}


@contextmanager
def serving(centre: Centre, port: int) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "datacentre.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(argv, env=environment(centre), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def page(port: int, key: str, cursor: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/v1/streams/{STREAM}/extract?limit=20&cursor={cursor}"
    request = urllib.request.Request(url, headers={"X-API-Key": key, "X-Purpose": PURPOSE})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_a_stream_is_followed_through_a_kill_of_the_service(centre: Centre) -> None:
    key, port = centre.make_key("rcsc")[1], two_free_ports()
    with serving(centre, port) as process:
        first = page(port, key, "")
        process.send_signal(signal.SIGKILL)
    with serving(centre, port):
        second = page(port, key, first["cursor"])
        assert page(port, key, first["cursor"])["rows"] == second["rows"]
    held = {row["row_id"] for row in (*first["rows"], *second["rows"])}
    assert len(held) == 40
    assert [entry.read.rows for entry in entries(centre.settings.home)] == [20, 20, 20]
    assert verify(centre.settings.home).unsigned == 0


def script(name: str, port: int, key: str, *arguments: str) -> Program:
    """One of the reader's programs of docs/readers, with nothing but a key and an address."""
    own = {"PATH": os.environ["PATH"], "DATACENTRE_KEY": key, "DATACENTRE_URL": f"http://127.0.0.1:{port}"}
    argv = [sys.executable, str(READERS / name), *arguments]
    return subprocess.Popen(argv, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def release_cases(centre: Centre) -> None:
    """By the agreement that the service reads."""
    settings = centre.settings
    agreed = load_agreements(settings.schemas, centre.contracts, settings.dbt_project)["rcsc"]
    write_release(settings, "rcsc", 2, CASES, "rcsc-", agreed.marts[CASES])


def test_the_analyst_has_the_mart_in_pandas(centre: Centre) -> None:
    port = two_free_ports()
    release_cases(centre)
    with serving(centre, port):
        told, failed = script("analyst.py", port, centre.make_key("rcsc")[1], CASES, PURPOSE).communicate(timeout=60)
    assert told.startswith("2,500 rows"), failed
    assert "outcome" in told


def test_the_lab_has_every_row_once_through_a_restart_and_a_new_release(
    centre: Centre, tmp_path: Path, started: Callable[[Program], Program]
) -> None:
    file, port, key = tmp_path / "rows.sqlite", two_free_ports(), centre.make_key("rcsc")[1]
    with serving(centre, port) as process:
        lab = started(script("lab.py", port, key, STREAM, PURPOSE, str(file)))
        wait_for(file, 50)
        process.send_signal(signal.SIGKILL)
    release_cases(centre)
    lander(centre.settings, centre.contracts[STREAM])(0, 50, 80)
    with serving(centre, port):
        wait_for(file, 80)
        centre.certify(OffsetRange(0, 40, 80))
        time.sleep(1.5)
        lab.send_signal(signal.SIGINT)
        assert lab.wait(timeout=30) == 0, lab.communicate()[1]
        assert script("lab.py", port, key, STREAM, PURPOSE, str(file), "--once").wait(timeout=60) == 0
    kept = [json.loads(document) for document in wait_for(file, 80)]
    assert len({row["event_id"] for row in kept}) == 80
    assert all(row["is_certified"] for row in kept)


def wait_for(file: Path, rows: int) -> list[str]:
    """The documents that the lab has kept, once there are so many."""
    deadline = time.monotonic() + 60
    while True:
        with sqlite3.connect(file, timeout=30) as kept:
            there = kept.execute("select count(*) from sqlite_master where name = 'row'").fetchone() == (1,)
            found = [document for (document,) in kept.execute("select document from row")] if there else []
        if len(found) >= rows or time.monotonic() > deadline:
            assert len(found) == rows
            return found
        time.sleep(0.1)
