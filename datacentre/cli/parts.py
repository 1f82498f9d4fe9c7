"""The parts of a running centre, in the order of their start; what takes long to import stands inside."""

import os
import sys
from functools import partial

from datacentre.errors import SourceUnavailable
from datacentre.services import airflow, postgresql, process
from datacentre.services.http_service import GATEWAY, SERVE, HttpService
from datacentre.services.supervisor import Part
from datacentre.settings import Settings


def parts(settings: Settings) -> dict[str, Part]:
    """Every part of this home; the local broker is none where another one is used."""
    from datacentre.services import kafka

    own_database = Part(
        partial(_start_postgresql, settings),
        lambda: postgresql.stop(settings),
        lambda: process.running(settings.run, postgresql.NAME) is not None,
        lambda: postgresql.start(settings),
    )
    return {
        **({postgresql.NAME: own_database} if settings.database == "postgresql" else {}),
        "kafka": Part(
            partial(_start_kafka, settings),
            lambda: kafka.stop(settings),
            lambda: settings.is_external_broker or process.running(settings.run, kafka.NAME) is not None,
            lambda: kafka.start(settings),
        ),
        "sink": Part(
            partial(_start_sink, settings),
            lambda: process.stop(settings.run, "sink", grace_seconds=20.0),
            lambda: process.running(settings.run, "sink") is not None,
            partial(_start_sink, settings),
        ),
        **{service.name: _http_part(settings, service) for service in (GATEWAY, SERVE)},
        "airflow": Part(
            partial(_start_airflow, settings),
            lambda: _stop_airflow(settings),
            lambda: airflow.is_whole(settings),
            lambda: airflow.launch(settings),
        ),
    }


def _start_postgresql(settings: Settings) -> str:
    postgresql.start(settings)
    return f"postgresql answers at 127.0.0.1:{settings.postgresql_port}"


def _start_kafka(settings: Settings) -> str:
    from connectors.topics import create_topics
    from datacentre.contracts import load_contracts
    from datacentre.services import kafka

    if not settings.is_external_broker:
        kafka.start(settings)
    elif not kafka.answers(settings.bootstrap_servers):
        raise SourceUnavailable(f"no Kafka broker answers at KAFKA_BOOTSTRAP_SERVERS={settings.bootstrap_servers}")
    created = create_topics(settings.bootstrap_servers, load_contracts(settings.schemas).values())
    return f"kafka answers at {settings.bootstrap_servers}; {len(created)} topics created"


def _start_sink(settings: Settings) -> str:
    argv = [sys.executable, "-m", "datacentre.cli", "sink"]
    environment = {**os.environ, "DATACENTRE_HOME": str(settings.home), "DATACENTRE_SINK_INSTANCE": "sink-1"}
    process.start(settings.run, "sink", argv, environment, settings.home)
    return f"sink runs; its log is {settings.run / 'sink.log'}"


def _http_part(settings: Settings, service: HttpService) -> Part:
    return Part(
        partial(_start_http, settings, service),
        lambda: service.stop(settings),
        lambda: service.is_running(settings),
        lambda: service.launch(settings),
    )


def _start_http(settings: Settings, service: HttpService) -> str:
    service.start(settings)
    return f"{service.name} answers at {service.address(settings)}"


def _start_airflow(settings: Settings) -> str:
    airflow.start(settings)
    return f"airflow answers at http://127.0.0.1:{settings.airflow_port}"


def _stop_airflow(settings: Settings) -> bool:
    was_running = airflow.is_running(settings)
    airflow.stop(settings)
    return was_running
