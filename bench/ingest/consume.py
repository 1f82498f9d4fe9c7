"""The ceiling: what each client reaches when its processes only consume."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.ingest.box import Box
from bench.ingest.meter import Meter
from datacentre import names
from datacentre.errors import SourceUnavailable

CLIENTS = ("librdkafka", "kafka-python")


@dataclass(frozen=True)
class ConsumeRun:
    """`processes` share the partitions; seconds count from the first record of any to the last of all."""

    client: str
    processes: int
    records: int
    seconds: float
    records_per_second: float
    cpu_seconds_per_million: float


def measure(box: Box, client: str, processes: int) -> ConsumeRun:
    """Read the whole topic once with `processes` processes."""
    ends = box.end_offsets(box.stream)
    jobs = [_start(box, client, {p: e for p, e in ends.items() if p % processes == k}) for k in range(processes)]
    meter = Meter((job.pid for job in jobs), box.broker_pid)
    told = [json.loads(line) for job in jobs for line in (job.stdout or ())]
    final = meter.close()[-1]
    if any(job.wait() for job in jobs):
        raise SourceUnavailable(f"consuming with {client} failed")
    records = sum(t["records"] for t in told if t["event"] == "end")
    seconds = max(t["at"] for t in told) - min(t["at"] for t in told)
    return ConsumeRun(client, processes, records, seconds, records / seconds, final.cpu_seconds / records * 1e6)


def _start(box: Box, client: str, ends: dict[int, int]) -> "subprocess.Popen[str]":
    order = {"client": client, "servers": box.servers, "topic": names.topic(box.stream.key), "ends": ends}
    command = [sys.executable, str(Path(__file__).with_name("consume_job.py")), json.dumps(order)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
