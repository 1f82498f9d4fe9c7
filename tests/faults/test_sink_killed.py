"""SIGKILL at random moments while records stream: nothing lost, nothing twice."""

import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from connectors.sources.producer import LibrdkafkaProducer
from connectors.sources.simulation.defects import DefectShares
from connectors.sources.simulation.government import generate
from connectors.sources.simulation.pacing import Sent, simulate
from datacentre.contracts import Contract
from datacentre.settings import Settings
from datacentre.stages.verify import verify
from lake.positions import landed_positions
from tests.conftest import command_environment

pytestmark = pytest.mark.broker
RECORDS = 200_000
KILLS = 10


def start_sink(centre: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {
        **command_environment(centre),
        "DATACENTRE_FLUSH_ROWS": "2000",
        "DATACENTRE_FLUSH_SECONDS": "0.2",
        "DATACENTRE_SINK_INSTANCE": "sink-under-fire",
    }
    command = [sys.executable, "-m", "datacentre.cli", "sink", *arguments]
    log = (centre.home / "sink.log").open("ab")
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def landed(centre: Settings, contracts: dict[str, Contract]) -> int:
    return sum(sum(landed_positions(centre.lake, c).values()) for c in contracts.values())


def test_ten_kills_lose_and_repeat_nothing(centre: Settings, contracts: dict[str, Contract]) -> None:
    moments = random.Random(20261122)
    sent: list[Sent] = []

    def stream() -> None:
        records = generate(
            contracts,
            centre.reference,
            7,
            RECORDS,
            datetime.now(UTC),
            DefectShares.spread(0.02, duplicate=0.01),
        )
        sent.append(simulate(records, LibrdkafkaProducer(centre.bootstrap_servers), 8_000, lambda count: None))

    streaming = threading.Thread(target=stream)
    streaming.start()
    progressed = 0
    for _ in range(KILLS):
        before = landed(centre, contracts)
        sink = start_sink(centre)
        until = time.monotonic() + 60
        while landed(centre, contracts) == before and time.monotonic() < until:
            assert sink.poll() is None, (centre.home / "sink.log").read_text()[-2000:]
            time.sleep(0.05)
        time.sleep(moments.uniform(0.0, 1.0))
        sink.send_signal(signal.SIGKILL)
        sink.wait()
        progressed += landed(centre, contracts) > before
    streaming.join()
    last = start_sink(centre, "--until-caught-up")
    assert last.wait(timeout=300) == 0, (centre.home / "sink.log").read_text()[-2000:]
    reports = verify(centre)
    assert [(r.stream, r.partition, r.differences) for r in reports if r.differences] == []
    assert sum(r.topic for r in reports) == sent[0].records >= RECORDS * 0.95
    assert progressed == KILLS, "a kill that came before any commit tested nothing"
