"""Kafka, PostgreSQL and an Airflow with a triggerer, over the DAG of this bench."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from bench.announce import watched
from bench.announce.commit_trigger import BROKER, TOPIC
from datacentre.errors import SourceUnavailable
from datacentre.services import kafka, postgresql, process
from datacentre.services.airflow_api import Client
from datacentre.services.airflow_environment import airflow_home, environment, migrated_file
from datacentre.settings import Settings, from_environment

PARTS = ("airflow-scheduler", "airflow-api-server", "airflow-dag-processor", "airflow-triggerer")
_FOLDER = Path(__file__).resolve().parent
_START_SECONDS = 120


@contextmanager
def running(home: Path) -> Iterator[Settings]:
    """Everything in an empty home, ended afterwards."""
    settings = from_environment(
        {
            "DATACENTRE_HOME": str(home),
            "DATACENTRE_DATABASE": "postgresql",
            "DATACENTRE_KAFKA_PORT": "29392",
            "DATACENTRE_AIRFLOW_PORT": "28380",
            "DATACENTRE_POSTGRESQL_PORT": "25832",
        }
    )
    home.mkdir(parents=True)
    try:
        kafka.start(settings)
        admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
        admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
        admin.close()
        postgresql.start(settings)
        _start_airflow(settings)
        yield settings
    finally:
        process.stop_each(settings.run, PARTS)
        postgresql.stop(settings)
        kafka.stop(settings)


def cpu_seconds(settings: Settings) -> Mapping[str, float]:
    """Of each process with its children, by name, since its start."""
    return {name: sum(_seconds(p) for p in _family(settings, name)) for name in (*PARTS, postgresql.NAME, kafka.NAME)}


def pss_mib(settings: Settings, name: str) -> float:
    return sum(p.memory_full_info().pss for p in _family(settings, name)) / 2**20


def _family(settings: Settings, name: str) -> list[psutil.Process]:
    found = process.running(settings.run, name)
    if found is None:
        raise SourceUnavailable(f"{name} has ended: see {settings.run / name}.log")
    leader = psutil.Process(found.pid)
    return [leader, *leader.children(recursive=True)]


def _seconds(one: psutil.Process) -> float:
    try:
        spent = one.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return spent.user + spent.system + spent.children_user + spent.children_system


def _start_airflow(settings: Settings) -> None:
    variables = environment(settings) | {
        "AIRFLOW__CORE__DAGS_FOLDER": str(_FOLDER / "dags"),
        BROKER: settings.bootstrap_servers,
    }
    home = airflow_home(settings)
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=variables, check=True, capture_output=True)
    migrated_file(settings).touch()
    for name in PARTS:
        own = name.removeprefix("airflow-")
        logs = ["--skip-serve-logs"] if own in ("scheduler", "triggerer") else []
        process.start(settings.run, name, [sys.executable, "-m", "airflow", own, *logs], variables, home)
    _wait_for_assets(settings)


def _wait_for_assets(settings: Settings) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            known = {a["uri"] for a in Client(settings).get("/assets?limit=100")["assets"]}
            if watched("dot__departures") in known:
                return
        except SourceUnavailable:
            pass
        if time.monotonic() > deadline:
            raise SourceUnavailable(f"Airflow doesn't know the bench's assets after {_START_SECONDS} s")
        time.sleep(0.5)
