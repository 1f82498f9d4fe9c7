"""One Airflow home per test run, in a temporary folder; Airflow reads its configuration when imported."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from datacentre.services import postgresql
from datacentre.services.airflow_environment import environment
from datacentre.settings import Settings, from_environment


@pytest.fixture(scope="session")
def airflow_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """With its metadata and control store in a PostgreSQL of its own, as `up` has them."""
    settings = from_environment(
        {
            "DATACENTRE_HOME": str(tmp_path_factory.mktemp("airflow")),
            "DATACENTRE_AIRFLOW_PORT": str(_free_port()),
            "DATACENTRE_DATABASE": "postgresql",
            "DATACENTRE_POSTGRESQL_PORT": str(_free_port()),
        }
    )
    postgresql.start(settings)
    yield settings
    postgresql.stop(settings)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def airflow_variables(airflow_settings: Settings) -> Iterator[dict[str, str]]:
    """The environment of this run's Airflow, also set in this process while a module of these tests runs."""
    variables = environment(airflow_settings)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            if os.environ.get(name) != value:
                patch.setenv(name, value)
        yield variables


@pytest.fixture
def run_python(airflow_variables: dict[str, str]):
    """Run a script in a fresh interpreter of this run's Airflow; return what it prints."""

    def run(script: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script], env=airflow_variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
