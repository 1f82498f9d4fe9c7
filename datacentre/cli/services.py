"""`up`, `down`, `status`; what takes long to import stands inside."""

from typing import Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out, print_json, print_table
from datacentre.cli.parts import parts
from datacentre.errors import ContractError, SourceUnavailable
from datacentre.services import postgresql, process, supervisor, understudy
from datacentre.services.restarts import forget_restarts, restarts
from datacentre.services.supervisor import Part
from datacentre.settings import Settings, from_environment

Names = Annotated[
    list[str] | None, typer.Argument(help="postgresql, kafka, sink, gateway, airflow; all when none is named")
]
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]


@one_line_errors
def up(names: Names = None) -> None:
    """Start services, create missing topics, wait until each answers; what dies later is started again."""
    settings = from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    if not names or postgresql.NAME in names:
        if hindrance := postgresql.choose(settings):
            out.print(hindrance)
        settings = from_environment()
    for name, part in _chosen(settings, names).items():
        with err.status(f"{name} starts" + ("; the first time its jars are fetched" if name == "kafka" else "")):
            told = part.start()
        with supervisor.wanted(settings.run) as running:
            running.add(name)
            forget_restarts(settings.run, name)
        out.print(told)
    understudy.start_pair(settings)


@one_line_errors
def down(names: Names = None) -> None:
    """Stop what `up` has started, in reverse order."""
    settings = from_environment()
    chosen = _chosen(settings, names)
    with supervisor.wanted(settings.run) as running:
        running -= set(chosen)
        is_last = not running
    if is_last:
        understudy.stop_pair(settings)
    for name in reversed(chosen):
        if chosen[name].stop():
            out.print(f"{name} stopped")


@one_line_errors
def supervise() -> None:
    """Start again what dies of what `up` has started, until told to end; `up` runs this."""
    settings = from_environment()
    companion = understudy.one_of_pair(settings, understudy.NAME)
    understudy.serve(settings, supervisor.NAME, supervisor.Supervisor(settings.run, parts(settings), companion).keep)


@one_line_errors
def status(json: Json = False) -> None:
    """Services, and per stream: lag, certified, held."""
    from datacentre.services import kafka

    settings = from_environment()
    running = {name: part.is_running() for name, part in parts(settings).items()}
    running["kafka"] = kafka.answers(settings.bootstrap_servers)
    running |= {name: process.running(settings.run, name) is not None for name in understudy.PAIR}
    again = restarts(settings.run)
    streams = _streams(settings, is_broker_up=running["kafka"])
    if json:
        print_json(
            {
                "home": str(settings.home),
                "services": running,
                "restarts": again,
                "streams": streams,
                "open_alerts": _open_alerts(settings),
            }
        )
        return
    rows = [[name, runs, again[name]] for name, runs in running.items()]
    print_table(f"Services of {settings.home}", ["service", "runs", "started again"], rows)
    columns = list(streams[0])
    print_table(
        "Streams in records (offsets); seconds from the broker to the marts, last new rows",
        columns,
        [[s[c] for c in columns] for s in streams],
    )
    out.print(f"marts: {_marts(settings)}")
    if waiting := _open_alerts(settings):
        out.print(f"{waiting} alerts are open: datacentre alerts")


def _open_alerts(settings: Settings) -> int:
    from datacentre.control.alerts import open_alerts
    from datacentre.control.store import opened

    with opened(settings.control_url) as store:
        return len(open_alerts(store))


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


def _chosen(settings: Settings, names: list[str] | None) -> dict[str, Part]:
    every = parts(settings)
    unknown = set(names or ()) - every.keys()
    if unknown:
        raise ContractError(f"no service {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    return {name: part for name, part in every.items() if not names or name in names}
