"""What Airflow's processes are told."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from datacentre.errors import ContractError
from datacentre.services import airflow_environment
from datacentre.services.airflow_environment import environment
from datacentre.settings import Settings, from_environment
from tests.unit.services.airflow_options import options


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment(
        {
            "DATACENTRE_HOME": str(tmp_path / "home"),
            "DATACENTRE_AIRFLOW_PORT": "38081",
            "DATACENTRE_FLUSH_ROWS": "7",
            "DATACENTRE_SINK_INSTANCE": "sink-1",
        }
    )


@pytest.mark.parametrize("broker", ["", "kafka.example:9092"])
def test_a_task_reads_the_same_settings_back(settings: Settings, broker: str) -> None:
    wanted = from_environment(
        {
            "DATACENTRE_HOME": str(settings.home),
            "KAFKA_BOOTSTRAP_SERVERS": broker,
            "DATACENTRE_FLUSH_ROWS": "7",
            "DATACENTRE_BACKUPS": "/another/disk",
            "DATACENTRE_BACKUP_DAYS": "9",
        }
    )

    assert from_environment(environment(wanted, {})) == wanted


def test_a_task_does_not_take_the_streaming_sinks_place(settings: Settings) -> None:
    inherited = {"DATACENTRE_SINK_INSTANCE": "sink-1"}

    assert from_environment(environment(settings, inherited)) == replace(settings, sink_instance="")


def test_every_airflow_variable_is_an_option_of_the_installed_airflow(settings: Settings) -> None:
    known = options()

    for name in environment(settings, {}):
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__", 2)
            assert option in known[section]["options"], name


def test_airflow_variables_of_the_caller_are_dropped_and_others_kept(settings: Settings) -> None:
    inherited = {"AIRFLOW_HOME": "/elsewhere", "AIRFLOW__CORE__EXECUTOR": "Other", "LANG": "dz_BT.UTF-8"}
    variables = environment(settings, inherited)

    assert variables["AIRFLOW_HOME"] == str(settings.home / "airflow")
    assert variables["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert variables["LANG"] == "dz_BT.UTF-8"


def test_only_loopback_is_served_and_addresses_agree(settings: Settings) -> None:
    variables = environment(settings, {})

    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert variables["AIRFLOW__API__PORT"] == "38081"
    assert variables["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:38081"
    assert variables["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].startswith("http://127.0.0.1:38081/")
    assert "127.0.0.1" in variables["NO_PROXY"]


def test_secrets_are_made_once_and_readable_by_their_owner_only(settings: Settings) -> None:
    first, second = environment(settings, {}), environment(settings, {})

    assert first == second
    for file in (settings.home / "airflow").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    passwords = json.loads(airflow_environment.passwords_file(settings).read_text())
    assert passwords == {"admin": airflow_environment.password(settings)}
    assert passwords["admin"] not in first.values()


def test_two_homes_have_different_secrets(settings: Settings, tmp_path: Path) -> None:
    other = replace(settings, home=tmp_path / "other")
    name = "AIRFLOW__API_AUTH__JWT_SECRET"

    assert environment(settings, {})[name] != environment(other, {})[name]


def test_password_before_the_first_start_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(ContractError, match="datacentre up"):
        airflow_environment.password(settings)
