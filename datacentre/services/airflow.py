"""The local Airflow of a home: its api-server, scheduler and DAG processor, on loopback only.

Everything is launched at once, the migration of the metadata database too: most of a start is imports, and
`airflow_local_settings` holds each process until the database is ready.
"""

import contextlib
import shlex
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from datacentre.errors import ContractError, SourceUnavailable
from datacentre.services import process
from datacentre.services.airflow_api import Client, health, last_state, set_pool, settle, trigger, wait
from datacentre.services.airflow_environment import DAGS, airflow_home, environment, migrated_file
from datacentre.services.ports import HOST, is_free
from datacentre.settings import Settings

__all__ = [
    "PROCESSES",
    "health",
    "is_running",
    "is_whole",
    "last_state",
    "launch",
    "settle",
    "start",
    "stop",
    "trigger",
    "wait",
    "wait_until_ready",
]

MARTS_WRITER_POOL = "marts_writer"
_MIGRATION = "airflow-migrate"
_POLL_SECONDS = 0.25
_STOP_SECONDS = 10.0

# Name of each process, and its part of the `airflow` command.
_PROCESSES: dict[str, Sequence[str]] = {
    "airflow-scheduler": ["scheduler", "--skip-serve-logs"],
    "airflow-api-server": ["api-server"],
    "airflow-dag-processor": ["dag-processor"],
}
PROCESSES = tuple(_PROCESSES)


def start(settings: Settings, seconds: float = 300) -> None:
    """Launch Airflow and return when it is ready; see `launch` and `wait_until_ready`."""
    launch(settings)
    wait_until_ready(settings, seconds)


def launch(settings: Settings) -> None:
    """Start what doesn't run yet and return at once.

    Raises SourceUnavailable when the port is taken.
    """
    if not is_running(settings):
        process.stop_each(settings.run, ["airflow-api-server"], _STOP_SECONDS)  # a worker that outlived it has the port
        if not is_free(settings.airflow_port):
            raise SourceUnavailable(
                f"port {settings.airflow_port} on {HOST} is taken: free it or set DATACENTRE_AIRFLOW_PORT"
            )
    variables = environment(settings)
    _migrate(settings, variables)
    for name, arguments in _PROCESSES.items():
        process.start(settings.run, name, _command(*arguments), variables, airflow_home(settings))


def wait_until_ready(settings: Settings, seconds: float = 300) -> None:
    """Return when every part is healthy, every DAG known and the writer's pool set.

    Raises SourceUnavailable when a process ends or `seconds` pass, ContractError when a DAG file can't be
    imported.
    """
    deadline = time.monotonic() + seconds
    _wait_until_healthy(settings, deadline)
    client = Client(settings)
    set_pool(client, MARTS_WRITER_POOL, 1, "DuckDB takes one writer at a time")
    _wait_until_parsed(client, deadline)


def stop(settings: Settings) -> None:
    """End the processes of this home's Airflow, running tasks included; a later start takes them up again."""
    process.stop_each(settings.run, [*_PROCESSES, _MIGRATION], _STOP_SECONDS)


def is_running(settings: Settings) -> bool:
    """Whether this home's api-server process lives; says nothing of its health."""
    return process.running(settings.run, "airflow-api-server") is not None


def is_whole(settings: Settings) -> bool:
    """Whether all of its processes live."""
    return all(process.running(settings.run, name) is not None for name in _PROCESSES)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _migrate(settings: Settings, variables: Mapping[str, str]) -> None:
    """Begin to bring the metadata database to the installed version, once per version."""
    home, migrated = airflow_home(settings), migrated_file(settings)
    file = _sqlite_file(settings.airflow_database_url)
    if migrated.exists() and (file is None or file.exists()):
        return
    migrated.unlink(missing_ok=True)
    if file is not None:
        # Readers and a writer then don't lock each other out; the mode stays with the file.
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("pragma journal_mode=wal")
    script = f"{shlex.join(_command('db', 'migrate'))} && touch {shlex.quote(str(migrated))}"
    process.start(settings.run, _MIGRATION, ["sh", "-c", script], variables, home)


def _sqlite_file(url: str) -> Path | None:
    scheme, _, path = url.partition(":///")
    return Path(path) if scheme == "sqlite" else None


def _wait_until_healthy(settings: Settings, deadline: float) -> None:
    state: object = "it doesn't answer"
    while True:
        _require_alive(settings)
        with contextlib.suppress(SourceUnavailable):
            state = parts = health(settings)
            if all(part == "healthy" for part in parts.values()):
                return
        if time.monotonic() >= deadline:
            raise SourceUnavailable(f"Airflow is not healthy yet ({state}): see {settings.run}/airflow-*.log")
        time.sleep(_POLL_SECONDS)


def _require_alive(settings: Settings) -> None:
    needed = list(_PROCESSES)
    if process.running(settings.run, _MIGRATION) is None and not migrated_file(settings).exists():
        needed.insert(0, _MIGRATION)
    for name in needed:
        if process.running(settings.run, name) is None:
            service = process.recorded(settings.run, name)
            told = " ".join(process.last_lines(service, 1)) if service else "it was never started"
            raise SourceUnavailable(f"{name} has ended: {told} (see {settings.run / name}.log)")


def _wait_until_parsed(client: Client, deadline: float) -> None:
    """Wait for as many DAGs as there are DAG files: each file holds one or more."""
    wanted = len(list(DAGS.glob("*.py")))
    while client.get("/dags?limit=1")["total_entries"] < wanted:
        errors = client.get("/importErrors")["import_errors"]
        if errors:
            last = errors[0]["stack_trace"].strip().splitlines()[-1]
            raise ContractError(f"{errors[0]['filename']} can't be imported: {last}")
        if time.monotonic() >= deadline:
            raise SourceUnavailable(f"Airflow has not read all {wanted} DAG files of {DAGS} yet")
        time.sleep(_POLL_SECONDS)
