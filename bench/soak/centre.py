"""A centre of its own for the run: started as a user starts it, and stopped whole."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datacentre.errors import CheckFailed
from datacentre.services import process
from datacentre.settings import Settings, from_environment

_PORTS_APART = 400
_HEALED_SECONDS = 120.0


@contextmanager
def running(home: Path) -> Iterator[Settings]:
    """`datacentre up` in an empty home, on ports beside those of the real centre; `down` at the end."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    ports = {"KAFKA": 19_092, "AIRFLOW": 18_080, "GATEWAY": 18_090, "POSTGRESQL": 15_432}
    own = {name: value for name, value in os.environ.items() if not name.startswith(("DATACENTRE_", "KAFKA_"))}
    own |= {f"DATACENTRE_{name}_PORT": str(port + _PORTS_APART) for name, port in ports.items()}
    own["DATACENTRE_HOME"] = str(home)
    try:
        _command(own, "up")
        yield from_environment(own)
    finally:
        _command(own, "down")
        process.stop_all(home / "run", grace_seconds=20.0)


def _command(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "datacentre.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CheckFailed(f"datacentre {' '.join(arguments)}: {done.stderr.strip()}")


def processes(settings: Settings) -> dict[str, int]:
    """Pid of every process that is recorded and lives, by name."""
    names = sorted(file.stem for file in settings.run.glob("*.json"))
    return {name: found.pid for name in names if (found := process.running(settings.run, name)) is not None}


def kill(settings: Settings, name: str) -> float:
    """End one process as a crash would; returns the seconds until another one lives in its place.

    Raises CheckFailed when none comes.
    """
    killed = processes(settings)[name]
    os.kill(killed, signal.SIGKILL)
    started = time.monotonic()
    while processes(settings).get(name, killed) == killed:
        if time.monotonic() - started > _HEALED_SECONDS:
            raise CheckFailed(f"{name} was killed and not started again in {_HEALED_SECONDS:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - started
