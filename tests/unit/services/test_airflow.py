"""Airflow where it can't start or doesn't answer; where it runs it is tried in tests/dags."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from datacentre.errors import SourceUnavailable
from datacentre.services import airflow, process
from datacentre.settings import Settings, from_environment


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def settings(tmp_path: Path, taken_port: int) -> Settings:
    return replace(from_environment({"DATACENTRE_HOME": str(tmp_path)}), airflow_port=taken_port)


def test_taken_port_is_told_with_the_variable_that_changes_it(settings: Settings) -> None:
    with pytest.raises(SourceUnavailable, match=f"port {settings.airflow_port} .* DATACENTRE_AIRFLOW_PORT"):
        airflow.start(settings)

    assert process.stop_all(settings.run) == []


def test_absent_api_server_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = replace(from_environment({"DATACENTRE_HOME": str(tmp_path)}), airflow_port=port)

    with pytest.raises(SourceUnavailable, match=f"doesn't answer at http://127.0.0.1:{port}"):
        airflow.health(settings)


def test_process_that_ended_is_named_with_its_last_words(settings: Settings) -> None:
    settings.run.mkdir()
    argv = ["sh", "-c", "echo 'no such table: dag' >&2; exit 1"]
    for name in ("airflow-migrate", "airflow-scheduler", "airflow-api-server", "airflow-dag-processor"):
        process.start(settings.run, name, argv, {}, settings.home)
    while process.running(settings.run, "airflow-migrate") is not None:
        pass

    with pytest.raises(SourceUnavailable, match="airflow-migrate has ended: no such table: dag"):
        airflow.wait_until_ready(settings)


def test_stop_without_a_start_does_nothing(settings: Settings) -> None:
    airflow.stop(settings)

    assert not airflow.is_running(settings)
