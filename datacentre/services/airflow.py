"""The local Airflow of a home: its api-server, scheduler and DAG processor, on loopback only."""

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from datacentre.errors import ContractError, SourceUnavailable
from datacentre.services import process
from datacentre.services.airflow_api import (
    Client,
    health,
    last_state,
    set_pool,
    settle,
    trigger,
    wait,
)
from datacentre.services.airflow_environment import DAGS, HOST, airflow_home, environment
from datacentre.settings import Settings

__all__ = ["health", "is_running", "last_state", "settle", "start", "stop", "trigger", "wait"]

MARTS_WRITER_POOL = "marts_writer"
_POLL_SECONDS = 0.25
_STOP_SECONDS = 10.0

# Name of the process and its part of the `airflow` command; ended in the opposite order.
_PROCESSES: dict[str, Sequence[str]] = {
    "airflow-api-server": ["api-server"],
    "airflow-scheduler": ["scheduler", "--skip-serve-logs"],
    "airflow-dag-processor": ["dag-processor"],
}


def start(settings: Settings, seconds: float = 120) -> None:
    """Start what doesn't run yet and return when every part is healthy and every DAG known.

    Raises SourceUnavailable when the port is taken, a process ends, or `seconds` pass; ContractError when
    a DAG file can't be imported.
    """
    if not is_running(settings):
        _require_free_port(settings)
    variables = environment(settings)
    _migrate(settings, variables)
    for name, arguments in _PROCESSES.items():
        process.start(settings.run, name, _command(*arguments), variables, airflow_home(settings))
    deadline = time.monotonic() + seconds
    _wait_until_healthy(settings, deadline)
    client = Client(settings)
    set_pool(client, MARTS_WRITER_POOL, 1, "DuckDB takes one writer at a time")
    _wait_until_parsed(client, deadline)


def stop(settings: Settings) -> None:
    """End the processes of this home's Airflow, running tasks included; they are taken up again later."""
    for name in reversed(_PROCESSES):
        process.stop(settings.run, name, _STOP_SECONDS)


def is_running(settings: Settings) -> bool:
    """Whether this home's api-server process lives; says nothing of its health."""
    return process.running(settings.run, "airflow-api-server") is not None


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _require_free_port(settings: Settings) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, settings.airflow_port))
        except OSError as error:
            raise SourceUnavailable(
                f"port {settings.airflow_port} on {HOST} is taken: free it or set DATACENTRE_AIRFLOW_PORT"
            ) from error


def _migrate(settings: Settings, variables: dict[str, str]) -> None:
    """Bring the metadata database to the installed version, once per version."""
    home = airflow_home(settings)
    database, marker = home / "airflow.db", home / "migrated.json"
    wanted = {"version": version("apache-airflow"), "database": str(database)}
    if database.exists() and _read(marker) == wanted:
        return
    log = settings.run / "airflow-migrate.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        result = subprocess.run(
            _command("db", "migrate"), env=variables, cwd=home, stdout=output, stderr=subprocess.STDOUT
        )
    if result.returncode:
        raise SourceUnavailable(f"Airflow's database {database} can't be migrated: read {log}")
    # Readers and a writer then don't lock each other out; the mode stays with the file.
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma journal_mode=wal")
    marker.write_text(json.dumps(wanted), encoding="utf-8")


def _read(marker: Path) -> object:
    try:
        return json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _wait_until_healthy(settings: Settings, deadline: float) -> None:
    state: object = "not answering"
    while True:
        _require_alive(settings)
        with contextlib.suppress(SourceUnavailable):
            state = parts = health(settings)
            if all(part == "healthy" for part in parts.values()):
                return
        if time.monotonic() >= deadline:
            raise SourceUnavailable(
                f"Airflow is not healthy in time ({state}): read {settings.run}/airflow-*.log"
            )
        time.sleep(_POLL_SECONDS)


def _require_alive(settings: Settings) -> None:
    for name in _PROCESSES:
        if process.running(settings.run, name) is None:
            service = process.recorded(settings.run, name)
            told = process.last_lines(service, 1) if service else []
            raise SourceUnavailable(f"{name} has ended: {' '.join(told)} (read {settings.run / name}.log)")


def _wait_until_parsed(client: Client, deadline: float) -> None:
    """Wait for as many DAGs as there are DAG files: each file holds at least one."""
    wanted = len(list(DAGS.glob("*.py")))
    while client.get("/dags?limit=1")["total_entries"] < wanted:
        errors = client.get("/importErrors")["import_errors"]
        if errors:
            last = errors[0]["stack_trace"].strip().splitlines()[-1]
            raise ContractError(f"{errors[0]['filename']} can't be imported: {last}")
        if time.monotonic() >= deadline:
            raise SourceUnavailable(f"Airflow has not read all {wanted} DAG files in {DAGS} in time")
        time.sleep(_POLL_SECONDS)
