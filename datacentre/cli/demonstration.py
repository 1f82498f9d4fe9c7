"""What `demo` does: simulate, stream, orchestrate, reconcile, show; then stop all it started."""

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import duckdb

from connectors.sources.producer import LibrdkafkaProducer
from connectors.sources.simulation.defects import DefectShares
from connectors.sources.simulation.government import generate
from connectors.sources.simulation.pacing import Sent
from connectors.sources.simulation.pacing import simulate as send_all
from connectors.topics import create_topics
from datacentre.cli.console import err, out, print_table, progress_bar
from datacentre.cli.ingest import print_reports
from datacentre.cli.story import tell_story
from datacentre.contracts import load_contracts
from datacentre.control.certificates import held
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.services import airflow, kafka, process
from datacentre.settings import Settings, from_environment
from datacentre.stages.release import release
from datacentre.stages.verify import PartitionReport, require_agreement, verify
from lake.marts import published

_CHAIN = ("land", "check", "build", "release")
_PORTS_APART = 200
_DEFECTS = DefectShares.spread(0.02, duplicate=0.005, late=0.01, out_of_order=0.01, correction=0.003, deletion=0.002)
_HEADS = {
    "Turnaround by service (agg_service_month)": """
        select service_code, closed_month, closed_cases, median_turnaround_working_days,
            round(100 * within_standard_share, 1) as within_standard_percent
        from agg_service_month order by closed_month desc, closed_cases desc limit 8""",
    "A day in the hospital's departments (agg_department_day)": """
        select * from agg_department_day where arrived > 0 order by visit_date desc, arrived desc limit 8""",
    "What visitors say (fct_exit_survey_response)": """
        select nationality_group, count(*) as responses, round(avg(overall_rating), 2) as mean_overall_rating,
            round(avg(would_recommend), 2) as mean_would_recommend
        from fct_exit_survey_response group by 1 order by 2 desc limit 8""",
}


def demonstrate(records: int, seed: int) -> None:
    """Run the demo in a home of its own; raises CheckFailed when something doesn't reconcile."""
    settings = demo_settings(from_environment())
    process.stop_all(settings.run, grace_seconds=20.0)  # what a demo that was killed has left running
    shutil.rmtree(settings.home, ignore_errors=True)
    settings.home.mkdir(parents=True)
    took: dict[str, float] = {}
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sent = _stream(settings, records, seed, took)
        reports = _flow(settings, took)
        _show(settings, sent, reports, took)
    finally:
        process.stop_all(settings.run, grace_seconds=20.0)
    _judge(settings, sent, reports)
    out.print(f"[bold green]Everything reconciles[/]; nothing is left running. State: {settings.home}")


def demo_settings(settings: Settings) -> Settings:
    """A home and ports beside those of the real centre; always with a broker of its own."""
    port = settings.kafka_port + _PORTS_APART
    home = settings.home / "demo"
    return replace(
        settings,
        home=home,
        is_external_broker=False,
        kafka_port=port,
        bootstrap_servers=f"127.0.0.1:{port}",
        airflow_port=settings.airflow_port + _PORTS_APART,
        control_url=f"sqlite:///{home / 'control.sqlite'}",
        alert_webhook="",  # its defects are meant, nobody is to be called for them
        alert_smtp="",
    )


def _stream(settings: Settings, records: int, seed: int, took: dict[str, float]) -> Sent:
    contracts = load_contracts(settings.schemas)
    with _timed("start Kafka, create topics", took):
        kafka.start(settings)
        create_topics(settings.bootstrap_servers, contracts.values())
    airflow.launch(settings)  # most of its start is imports; the simulation runs meanwhile
    generated = generate(contracts, settings.reference, seed, records, datetime.now(UTC), _DEFECTS)
    with _timed("simulate agencies into Kafka", took), progress_bar("simulating", records) as bar:
        return send_all(generated, LibrdkafkaProducer(settings.bootstrap_servers), None, bar.to)


def _flow(settings: Settings, took: dict[str, float]) -> tuple[PartitionReport, ...]:
    with _timed("wait for Airflow", took), err.status("Airflow starts"):
        airflow.wait_until_ready(settings)
    with _timed("Airflow: sink, Great Expectations, dbt", took), err.status("land, check, build"):
        run_id = airflow.trigger(settings, "land")
        airflow.wait(settings, "land", run_id)
        airflow.settle(settings, _CHAIN)
    for dag_id in _CHAIN:
        if (state := airflow.last_state(settings, dag_id)) != "success":
            raise CheckFailed(f"the last run of DAG {dag_id} is {state or 'missing'}: see {settings.home}/airflow/logs")
    airflow.stop(settings)
    with _timed("release to three consumers", took):
        if failed := [f"{o.stream}: {o.detail['error']}" for o in release(settings) if "error" in o.detail]:
            raise CheckFailed("; ".join(failed))
    with _timed("reconcile", took), progress_bar("reading topics", None) as bar:
        return verify(settings, told=bar.by)


def _show(settings: Settings, sent: Sent, reports: tuple[PartitionReport, ...], took: dict[str, float]) -> None:
    print_table("Sent on purpose with a defect", ["defect", "records"], sorted(sent.by_defect.items()))
    print_reports(reports)
    with duckdb.connect(str(published(settings.marts)), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set search_path = 'marts'")
        for title, sql in _HEADS.items():
            answer = connection.execute(sql)
            columns = [d[0] for d in answer.description or []]
            print_table(title, columns, answer.fetchall())
    with _timed("one person's story", took):
        tell_story(settings)
    rows = [[stage, round(seconds, 1)] for stage, seconds in took.items()]
    print_table("Time taken", ["stage", "seconds"], [*rows, ["all", round(sum(took.values()), 1)]])


def _judge(settings: Settings, sent: Sent, reports: tuple[PartitionReport, ...]) -> None:
    """Exit code 0 stands for: every record sent is in the lake once, all is certified, marts are built."""
    require_agreement(reports)
    wrong = []
    reached = sum(r.topic for r in reports)
    if reached != sent.records:
        wrong.append(f"{sent.records} records were sent, the topics hold {reached}")
    with opened(settings.control_url) as store:
        wrong += [f"{c.stream} {c.range} is held: {c.reason}" for c in held(store)]
    if wrong:
        raise CheckFailed("; ".join(wrong))


@contextmanager
def _timed(stage: str, took: dict[str, float]) -> Iterator[None]:
    started = time.monotonic()
    yield
    took[stage] = time.monotonic() - started
    out.print(f"[dim]{took[stage]:6.1f} s[/]  {stage}")
