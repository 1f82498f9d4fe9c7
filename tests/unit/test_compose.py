"""docker-compose.yml names only commands and variables that the program has, and no secret."""

import inspect
import re
from typing import Any

import pytest
import typer
import yaml

from datacentre import settings as settings_module
from datacentre.cli.main import app
from datacentre.settings import REPOSITORY
from tests.unit.services.airflow_options import options

TEXT = (REPOSITORY / "docker-compose.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "datacentre:local"}
SETTINGS = inspect.getsource(settings_module)


def _commands() -> list[list[str]]:
    """Every argument list that calls `datacentre`, health checks included."""
    lists = [service.get("command", []) for service in SERVICES.values()]
    lists += [service.get("healthcheck", {}).get("test", [])[1:] for service in SERVICES.values()]
    return [arguments for arguments in lists if arguments and arguments[0] == "datacentre"]


def test_the_services_of_the_centre_are_all_there() -> None:
    airflow = {f"airflow-{part}" for part in ("init", "api-server", "scheduler", "dag-processor", "triggerer")}

    assert set(SERVICES) == {"kafka", "postgres", "topics", "sink", "gateway", "serve", *airflow}


@pytest.mark.parametrize("arguments", _commands(), ids=" ".join)
def test_datacentre_commands_and_options_exist(arguments: list[str]) -> None:
    group = typer.main.get_command(app)
    _, command, *rest = arguments
    known = group.commands[command]  # type: ignore[attr-defined]
    flags = {flag for parameter in known.params for flag in parameter.opts}

    assert {word for word in rest if word.startswith("--")} <= flags


@pytest.mark.parametrize("service", OURS)
def test_variables_exist_in_the_program(service: str) -> None:
    known = options()
    for name in OURS[service]["environment"]:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__", 2)
            assert option in known[section]["options"], name
        elif name.startswith(("DATACENTRE_", "KAFKA_")):
            assert f'"{name}"' in SETTINGS, name


def test_interpolated_variables_exist_or_are_required_secrets() -> None:
    for name, default in re.findall(r"\$\{(\w+)(:[-?][^}]*)?\}", TEXT):
        if name.startswith("DATACENTRE_"):
            assert f'"{name}"' in SETTINGS, name
        else:
            assert re.search("PASSWORD|SECRET|KEY", name), name
            assert default.startswith(":?"), f"{name} needs to be required"


def test_nothing_secret_is_written_down() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD$|SECRET|_KEY$|FERNET", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)), name


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_service_that_stays_has_a_health_check() -> None:
    stays = {name for name, service in SERVICES.items() if service.get("restart") != "no"}

    assert {name for name in stays if "healthcheck" not in SERVICES[name]} == set()


def test_the_image_copies_what_exists() -> None:
    dockerfile = OURS["sink"]["build"]["dockerfile_inline"]
    for line in re.findall(r"^COPY (.+) \S+$", dockerfile, flags=re.MULTILINE):
        assert all((REPOSITORY / source).exists() for source in line.split()), line
