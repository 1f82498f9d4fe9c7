"""`up`, `down`, `status`; what takes long to import stands inside."""

import os
import sys
from typing import Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out, print_json, print_table
from datacentre.errors import ContractError, SourceUnavailable
from datacentre.services import airflow, gateway, process
from datacentre.settings import Settings, from_environment

SERVICES = ("kafka", "sink", "gateway", "airflow")
Names = Annotated[list[str] | None, typer.Argument(help="kafka, sink, gateway, airflow; all when none is named")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]


@one_line_errors
def up(names: Names = None) -> None:
    """Start services, create missing topics, wait until each answers."""
    from connectors.topics import create_topics
    from datacentre.contracts import load_contracts

    settings = from_environment()
    contracts = load_contracts(settings.schemas)
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in _chosen(names):
        if name == "kafka":
            with err.status("Kafka starts; the first time its jars are fetched"):
                start_broker(settings)
            created = create_topics(settings.bootstrap_servers, contracts.values())
            out.print(f"kafka answers at {settings.bootstrap_servers}; {len(created)} topics created")
        elif name == "sink":
            start_sink(settings)
            out.print(f"sink runs; its log is {settings.run / 'sink.log'}")
        elif name == "gateway":
            with err.status("the gateway starts"):
                gateway.start(settings)
            out.print(f"gateway answers at http://127.0.0.1:{settings.gateway_port}")
        else:
            with err.status("Airflow starts"):
                airflow.start(settings)
            out.print(f"airflow answers at http://127.0.0.1:{settings.airflow_port}")


def start_broker(settings: Settings) -> None:
    """The local broker, or a look at the external one."""
    from datacentre.services import kafka

    if not settings.is_external_broker:
        kafka.start(settings)
    elif not kafka.answers(settings.bootstrap_servers):
        raise SourceUnavailable(f"no Kafka broker answers at KAFKA_BOOTSTRAP_SERVERS={settings.bootstrap_servers}")


def start_sink(settings: Settings) -> None:
    argv = [sys.executable, "-m", "datacentre.cli", "sink"]
    environment = {**os.environ, "DATACENTRE_HOME": str(settings.home), "DATACENTRE_SINK_INSTANCE": "sink-1"}
    process.start(settings.run, "sink", argv, environment, settings.home)


@one_line_errors
def down(names: Names = None) -> None:
    """Stop what `up` has started, in reverse order."""
    from datacentre.services import kafka

    settings = from_environment()
    for name in reversed(_chosen(names)):
        if name == "airflow":
            was_running = airflow.is_running(settings)
            airflow.stop(settings)
        elif name == "sink":
            was_running = process.stop(settings.run, "sink", grace_seconds=20.0)
        elif name == "gateway":
            was_running = gateway.stop(settings)
        else:
            was_running = kafka.stop(settings)
        if was_running:
            out.print(f"{name} stopped")


@one_line_errors
def status(json: Json = False) -> None:
    """Services, and per stream: lag, certified, held."""
    from datacentre.services import kafka

    settings = from_environment()
    running = {
        "kafka": kafka.answers(settings.bootstrap_servers),
        "sink": process.running(settings.run, "sink") is not None,
        "gateway": gateway.is_running(settings),
        "airflow": airflow.is_running(settings),
    }
    streams = _streams(settings, is_broker_up=running["kafka"])
    if json:
        print_json({"home": str(settings.home), "services": running, "streams": streams})
        return
    print_table(f"Services of {settings.home}", ["service", "runs"], list(running.items()))
    columns = list(streams[0])
    print_table(
        "Streams in records (offsets); seconds from the broker to the marts, last new rows",
        columns,
        [[s[c] for c in columns] for s in streams],
    )
    out.print(f"marts: {_marts(settings)}")


def _marts(settings: Settings) -> str:
    from lake.marts import published

    pointer = settings.marts / "CURRENT"
    return published(settings.marts).name if pointer.exists() else "nothing published yet"


def _streams(settings: Settings, is_broker_up: bool) -> list[dict[str, object]]:
    from connectors.sink.poison import Stops
    from connectors.topics import describe_topics
    from datacentre.contracts import load_contracts
    from datacentre.control.certificates import certified_ranges, held
    from datacentre.control.freshness import newest_freshness
    from datacentre.control.store import opened
    from lake.positions import landed_bases, landed_positions

    contracts = load_contracts(settings.schemas)
    ends: dict[str, int] = {}
    if is_broker_up:
        try:
            topics = describe_topics(settings.bootstrap_servers, contracts.values())
            bases = {key: landed_bases(settings.lake, contracts[key]) for key in topics}
            ends = {key: sum(topic.in_lake(bases[key]).end_offsets.values()) for key, topic in topics.items()}
        except SourceUnavailable:
            ends = {}
    rows: list[dict[str, object]] = []
    stops = Stops(settings.home)
    with opened(settings.control_url) as store:
        fresh = newest_freshness(store)
        for key, contract in contracts.items():
            landed = sum(landed_positions(settings.lake, contract).values())
            certified = sum(r.next_offset - r.start_offset for r in certified_ranges(store, key))
            rows.append(
                {
                    "stream": key,
                    "topic end": ends.get(key),
                    "landed": landed,
                    "lag": ends[key] - landed if key in ends else None,
                    "certified": certified,
                    "held": sum(c.range.next - c.range.start for c in held(store, key)),
                    "p50 s": round(fresh[key].produced_p50, 1) if key in fresh else None,
                    "p95 s": round(fresh[key].produced_p95, 1) if key in fresh else None,
                    "promised s": contract.freshness_seconds,
                    "stopped": stop.stopped_at if (stop := stops.find(key)) else None,
                }
            )
    return rows


def _chosen(names: list[str] | None) -> tuple[str, ...]:
    unknown = set(names or ()) - set(SERVICES)
    if unknown:
        raise ContractError(f"no service {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
    return tuple(name for name in SERVICES if not names or name in names)
