"""What goes wrong ends in one line and an exit code, without a traceback."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer

from datacentre.cli.console import one_line_errors
from datacentre.errors import ContractError
from datacentre.settings import REPOSITORY, from_environment

NO_BROKER = "127.0.0.1:9"  # the discard port: nothing answers there


def run(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"DATACENTRE_HOME": str(tmp_path / "home"), "KAFKA_BOOTSTRAP_SERVERS": NO_BROKER}
    return subprocess.run(
        [sys.executable, "-m", "datacentre.cli", *arguments],
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout
    return lines[0]


def test_a_missing_broker_is_one_line(tmp_path: Path) -> None:
    commands = [("sink", "--until-caught-up"), ("verify",), ("simulate",), ("up", "kafka")]
    with ThreadPoolExecutor(len(commands)) as threads:  # each waits for the broker for some seconds
        ended = list(threads.map(lambda command: run(tmp_path, *command), commands))
    for done in ended:
        assert done.returncode == 3, done.args
        assert NO_BROKER in one_line(done)
    assert not list((tmp_path / "home").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATACENTRE_FLUSH_ROWS", "many"),
        ("DATACENTRE_FLUSH_SECONDS", "-1"),
        ("DATACENTRE_KAFKA_PORT", "70000"),
        ("DATACENTRE_AIRFLOW_PORT", "0"),
        ("DATACENTRE_GATEWAY_PORT", "65535"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ContractError, match=name):
        from_environment({name: value})


def test_a_database_error_is_told_without_the_values_of_its_statement(capsys: pytest.CaptureFixture[str]) -> None:
    @one_line_errors
    def ask() -> None:
        with sa.create_engine("sqlite://").connect() as connection:
            connection.execute(sa.text("select * from vault where cid = :cid"), {"cid": "10203004821"})

    with pytest.raises(typer.Exit):
        ask()
    assert capsys.readouterr().err == "OperationalError: no such table: vault\n"


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "check", DATACENTRE_CONTROL_URL="nonsense")
    assert done.returncode == 2
    assert "DATACENTRE_CONTROL_URL" in one_line(done)


def test_a_broken_contract_stops_with_file_line_and_field(tmp_path: Path) -> None:
    schemas = tmp_path / "schemas"
    shutil.copytree(REPOSITORY / "schemas", schemas)
    file = schemas / "contracts" / "dot__departures.yaml"
    lines = file.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.strip() == "- name: passengers")
    lines[at + 1] = lines[at + 1].replace("integer", "whole")
    file.write_text("\n".join(lines))
    done = run(tmp_path, "check", DATACENTRE_SCHEMAS=str(schemas))
    assert done.returncode == 2
    assert f"dot__departures.yaml:{at + 2}:" in one_line(done)
    assert "passengers" in one_line(done)


def test_an_unknown_stream_names_the_known_ones(tmp_path: Path) -> None:
    done = run(tmp_path, "send", "dot__arrivals", "file.csv")
    assert done.returncode == 2
    assert "dot__departures" in one_line(done)


def test_querying_before_a_build_says_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path, "query", "select 1")
    assert done.returncode == 5
    assert "datacentre build" in one_line(done)


def test_status_works_in_an_empty_home(tmp_path: Path) -> None:
    done = run(tmp_path, "status", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["services"] == dict.fromkeys(
        ("kafka", "sink", "gateway", "serve", "airflow", "supervisor", "understudy"), False
    )
    assert len(answer["streams"]) == 8
