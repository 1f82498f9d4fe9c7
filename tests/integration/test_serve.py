"""The service as it is started and killed: a reader goes on by its cursor, the log holds every answer."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sharing.access_log.verification import entries, verify
from tests.conftest import two_free_ports
from tests.unit.sharing.centre import Centre, centre_in
from tests.unit.stages.conftest import STREAM

PURPOSE = "service-evaluation"


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
