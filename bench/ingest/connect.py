"""Kafka Connect with the Iceberg sink, one standalone worker and one task, on a catalog on the local disk.

The worker gets records without a defect: the sink's task ends at the first value that does not fit its column.
"""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.ingest.box import STREAM, Box
from bench.ingest.jars import resolve
from bench.ingest.meter import Meter, others_cores, peak_mib
from bench.ingest.records import fill_clean
from bench.ingest.spark import java_runtime
from datacentre import names
from datacentre.errors import SourceUnavailable

KAFKA_VERSION, ICEBERG_VERSION = "4.1.0", "1.11.0"
COMMIT_SECONDS = 10
CONTROL_TOPIC = "control-iceberg"
_LIMIT_SECONDS = 300.0
_LOOK_SECONDS = 0.5
_JETTY = ("server", "http", "io", "util", "session", "security")
# Jetty and Avro are named so that their versions win: the resolver would otherwise mix two Jettys and take an old Avro.
_COORDINATES = "+".join(
    [
        *(
            f"org.eclipse.jetty:jetty-{part}:12.0.22"
            for part in ("server", "http", "io", "util", "session", "security")
        ),
        "org.apache.avro:avro:1.12.0",
        f"org.apache.kafka:connect-runtime:{KAFKA_VERSION}",
        f"org.apache.kafka:connect-json:{KAFKA_VERSION}",
        *(f"org.apache.iceberg:iceberg-{part}:{ICEBERG_VERSION}" for part in ("kafka-connect", "parquet", "orc")),
        "org.apache.hadoop:hadoop-client-api:3.4.1",
        "org.apache.hadoop:hadoop-client-runtime:3.4.1",
        "org.slf4j:slf4j-simple:1.7.36",
    ]
)


@dataclass(frozen=True)
class ConnectRun:
    """`seconds` are from the start of the worker to the last commit; a commit is seen when its metadata file is."""

    records: int
    first_commit_seconds: float
    seconds: float
    records_per_second: float
    cpu_seconds_per_million: float
    peak_mib: float
    others_cores: float


def measure(box: Box, records: int) -> ConnectRun:
    """Land `records` records once. Raises SourceUnavailable when the worker ends or takes too long."""
    folder, topic = box.fresh_folder("connect"), f"bench-clean-{names.topic(STREAM)}"
    fill_clean(box, topic, records)
    box.fresh_plain_topic(CONTROL_TOPIC, 1)
    jars = resolve(f"connect-{KAFKA_VERSION}", _COORDINATES, box.settings.jar_cache)
    _write(folder / "worker.properties", _worker(box, folder))
    _write(folder / "sink.properties", _sink(box, topic, folder))
    java = java_runtime() / "bin" / "java"
    command = [str(java), "-Xmx3g", "-cp", ":".join(str(j) for j in jars)]
    command += ["org.apache.kafka.connect.cli.ConnectStandalone", "worker.properties", "sink.properties"]
    with (folder / "worker.log").open("wb") as log:
        begun = time.monotonic()
        worker = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=dict(os.environ))
    meter = Meter([worker.pid], box.broker_pid)
    try:
        first, last = _watch(folder, worker, begun, records)
        meter.read()
    finally:
        readings = meter.close()
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    used = readings[-1].cpu_seconds
    disturbed = others_cores(readings[0], readings[-1])
    return ConnectRun(records, first, last, records / last, used / records * 1e6, peak_mib(readings), disturbed)


def _watch(folder: Path, worker: "subprocess.Popen[bytes]", begun: float, records: int) -> tuple[float, float]:
    """Seconds to the first commit and to that with which all records are in the table."""
    first = 0.0
    while time.monotonic() - begun < _LIMIT_SECONDS:
        rows = _rows(folder)
        if rows and not first:
            first = time.monotonic() - begun
        if rows >= records:
            return first, time.monotonic() - begun
        if worker.poll() is not None:
            break
        time.sleep(_LOOK_SECONDS)
    told = [line for line in (folder / "worker.log").read_text(errors="replace").splitlines() if "ERROR" in line]
    raise SourceUnavailable(f"Kafka Connect landed {_rows(folder)} of {records}: {' '.join(told[-1:])[:300]}")


def _rows(folder: Path) -> int:
    """Rows of the table's newest snapshot, from its metadata."""
    found = sorted((folder / "warehouse" / "bench" / "visits" / "metadata").glob("v*.metadata.json"), key=_number)
    if not found:
        return 0
    try:
        snapshots = json.loads(found[-1].read_text())["snapshots"]
    except (OSError, ValueError, KeyError):
        return 0
    return int(snapshots[-1]["summary"].get("total-records", 0)) if snapshots else 0


def _number(file: Path) -> int:
    return int(file.name.removeprefix("v").split(".")[0])


def _worker(box: Box, folder: Path) -> dict[str, str]:
    return {
        "bootstrap.servers": box.servers,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": str(folder / "offsets"),
        "listeners": f"http://127.0.0.1:{box.settings.kafka_port + 2}",
        "plugin.discovery": "hybrid_warn",
        "consumer.max.poll.records": "20000",
    }


def _sink(box: Box, topic: str, folder: Path) -> dict[str, str]:
    return {
        "name": "visits",
        "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
        "tasks.max": "1",
        "topics": topic,
        "consumer.override.auto.offset.reset": "earliest",
        "iceberg.catalog.type": "hadoop",
        "iceberg.catalog.warehouse": str(folder / "warehouse"),
        "iceberg.tables": "bench.visits",
        "iceberg.tables.auto-create-enabled": "true",
        "iceberg.tables.evolve-schema-enabled": "true",
        "iceberg.control.topic": CONTROL_TOPIC,
        "iceberg.control.commit.interval-ms": str(COMMIT_SECONDS * 1000),
        "iceberg.kafka.auto.offset.reset": "earliest",
    }


def _write(file: Path, properties: dict[str, str]) -> None:
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
