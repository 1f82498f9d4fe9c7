"""`datacentre up` and `down` with a real sink: killed, it comes back and goes on; ended, it stays away."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datacentre.contracts import Contract
from datacentre.services import process
from datacentre.services.restarts import restarts
from datacentre.services.understudy import PAIR
from datacentre.settings import Settings
from datacentre.stages.verify import verify
from lake.positions import landed_positions
from tests.votes import STREAM, produce, vote

pytestmark = pytest.mark.broker
Datacentre = Callable[..., str]


@pytest.fixture
def datacentre(centre: Settings) -> Iterator[Datacentre]:
    """The program over a home of its own and the broker of this run."""
    variables = os.environ | {"DATACENTRE_HOME": str(centre.home), "KAFKA_BOOTSTRAP_SERVERS": centre.bootstrap_servers}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "datacentre.cli", *arguments]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    run("down")


def wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_sink_comes_back_and_goes_on(
    centre: Settings, contracts: dict[str, Contract], datacentre: Datacentre
) -> None:
    contract = contracts[STREAM]
    datacentre("up", "sink")
    produce(centre, (vote(contract, n) for n in range(100)))
    wait(lambda: sum(landed_positions(centre.lake, contract).values()) == 100)
    first = process.running(centre.run, "sink")
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    produce(centre, (vote(contract, n) for n in range(100, 150)))
    wait(lambda: sum(landed_positions(centre.lake, contract).values()) == 150)
    second = process.running(centre.run, "sink")
    assert second is not None and second.pid != first.pid
    told = json.loads(datacentre("status", "--json"))
    pid = next(p["pid"] for p in told["processes"] if p["name"] == "sink")
    votes = next(s for s in told["streams"] if s["stream"] == STREAM)
    assert (pid, votes["topic_end"], votes["landed"], votes["lag"]) == (second.pid, 150, 150, 0)
    assert (told["services"]["sink"], told["services"]["supervisor"], told["restarts"]) == (True, True, {"sink": 1})
    assert "sink had died; started again, the 1. time" in (centre.run / "supervisor.log").read_text()

    kill_each_of_the_pair(centre)
    assert process.running(centre.run, "sink") == second
    os.kill(second.pid, signal.SIGKILL)
    wait(lambda: process.running(centre.run, "sink") not in (None, second))
    assert restarts(centre.run) == {"sink": 2, "supervisor": 2, "understudy": 1}

    assert datacentre("down").split() == ["sink", "stopped"]
    time.sleep(2.5)
    assert [process.running(centre.run, name) for name in ("sink", *PAIR)] == [None, None, None]
    assert [r.differences for r in verify(centre, [STREAM])] == [(), ()]


def kill_each_of_the_pair(centre: Settings) -> None:
    """Each, by the other one's start of it, comes back; the supervisor also by an understudy that had been killed."""
    for name in ("supervisor", "understudy", "supervisor"):
        killed = process.running(centre.run, name)
        assert killed is not None
        os.kill(killed.pid, signal.SIGKILL)
        wait(lambda name=name, killed=killed: process.running(centre.run, name) not in (None, killed))
    understudy = process.running(centre.run, "understudy")
    assert understudy is not None
    assert resident_mib(understudy.pid) < 25


def resident_mib(pid: int) -> float:
    (line,) = (at for at in Path(f"/proc/{pid}/status").read_text().splitlines() if at.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
