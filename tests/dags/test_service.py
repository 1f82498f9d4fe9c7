"""Airflow as `datacentre up` starts it: once per test run, because a start takes half a minute."""

import shutil
import stat
import time
from contextlib import closing

import duckdb
import pytest
import sqlalchemy as sa

from datacentre.control.alerts import open_alerts
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, ContractError
from datacentre.services import airflow, postgresql, process
from datacentre.services.airflow_api import Client
from datacentre.services.announce import Announcer
from lake.marts import published

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def running(airflow_settings, airflow_variables):
    airflow.start(airflow_settings)
    yield airflow_settings
    airflow.stop(airflow_settings)
    assert [file.stem for file in airflow_settings.run.glob("*.json")] == [postgresql.NAME]


def test_every_part_is_healthy(running) -> None:
    assert set(airflow.health(running).values()) == {"healthy"}


def test_second_start_keeps_the_processes(running) -> None:
    before = process.running(running.run, "airflow-scheduler")
    airflow.start(running)

    assert process.running(running.run, "airflow-scheduler") == before


def test_pool_of_the_writer_has_one_slot(running) -> None:
    assert Client(running).get("/pools/marts_writer")["slots"] == 1


def test_metadata_is_out_of_others_reach(running) -> None:
    assert stat.S_IMODE((running.home / "airflow").stat().st_mode) == 0o700


def test_run_over_an_empty_lake_succeeds_and_comes_to_rest(running) -> None:
    run_id = airflow.trigger(running, "check")
    airflow.wait(running, "check", run_id, seconds=120)
    airflow.settle(running, ["check", "build"], seconds=120)

    assert airflow.last_state(running, "check") == "success"
    assert airflow.last_state(running, "build") == "success"
    with duckdb.connect(str(published(running.marts)), read_only=True) as marts:
        assert marts.execute("select count(*) from marts.fct_service_case").fetchall() == [(0,)]


def test_a_commit_is_announced_and_wakes_the_check(running) -> None:
    airflow.settle(running, ["check", "build"], seconds=120)
    client = Client(running)
    with closing(Announcer(running)) as announcer:
        announcer.landed(["pmo__deliberation_vote"])
        deadline = time.monotonic() + 60
        while not (landed := [uri for uri in _told_of(client) if uri.startswith("lake://landed/")]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert landed == ["lake://landed/pmo__deliberation_vote"]
    while not (runs := client.get("/dags/check/dagRuns?run_type=asset_triggered")["dag_runs"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    airflow.wait(running, "check", runs[0]["dag_run_id"], seconds=120)


def _told_of(client: Client) -> list[str]:
    return [event["uri"] for event in client.get("/assets/events?limit=50")["asset_events"]]


def test_a_failed_task_is_an_alert_until_the_next_run_succeeds(running) -> None:
    log = running.lake / "landed" / "dot__departures" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no log entry")
    run_id = airflow.trigger(running, "check")
    with pytest.raises(CheckFailed):
        airflow.wait(running, "check", run_id, seconds=120)
    with opened(running.control_url) as control:
        (found,) = (alert for alert in open_alerts(control) if alert.stream == "check.report")
    assert found.kind == "task failed" and found.text.startswith("dot__departures: ")

    shutil.rmtree(running.lake)
    airflow.wait(running, "check", airflow.trigger(running, "check"), seconds=120)
    with opened(running.control_url) as control:
        assert "check.report" not in {alert.stream for alert in open_alerts(control)}


def test_failed_run_names_its_task_and_log(running) -> None:
    server = sa.create_engine(running.postgresql_url("postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text("alter database control rename to elsewhere"))
    run_id = airflow.trigger(running, "check")

    with pytest.raises(CheckFailed, match=r"failed in certify: read .*/logs/dag_id=check/"):
        airflow.wait(running, "check", run_id, seconds=120)
    with server.connect() as connection:
        connection.execute(sa.text("alter database elsewhere rename to control"))
    server.dispose()


def test_unknown_dag_is_refused(running) -> None:
    with pytest.raises(ContractError, match="404"):
        airflow.trigger(running, "nothing")
