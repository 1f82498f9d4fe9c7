"""`pull`: the rows of an agency's database into their stream."""

import os
import signal
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out, print_json, progress_bar
from datacentre.errors import ContractError
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from connectors.sources.database import PullOutcome


@one_line_errors
def pull(
    mapping: Annotated[str, typer.Argument(help="name of a mapping in schemas/mappings, or a path")],
    url_env: Annotated[
        str | None, typer.Option(help="environment variable with the database's URL, instead of the mapping's")
    ] = None,
    lag_seconds: Annotated[
        float | None, typer.Option(min=0, help="read only rows older than this by the database's clock")
    ] = None,
    page_rows: Annotated[int, typer.Option(min=1, help="rows that are read and acknowledged at a time")] = 5_000,
    follow: Annotated[
        float | None, typer.Option(min=0.1, metavar="SECONDS", help="keep polling so often, until ended")
    ] = None,
    detect_deletes: Annotated[
        bool, typer.Option("--detect-deletes", help="also delete the keys that have vanished; daily with --follow")
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="read every row again; duplicates vanish downstream")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of text")] = False,
) -> None:
    """Send what is new in an agency's database to its stream, from where the last run ended."""
    from connectors.sources.database import (
        DatabaseSource,
        check_detects_deletes,
        database_section,
        only_puller,
        overridden,
        read_database_mapping,
    )
    from connectors.sources.database import follow as keep_polling
    from connectors.sources.file_source import mapping_path
    from connectors.sources.producer import LibrdkafkaProducer
    from connectors.topics import create_topics
    from datacentre.contracts import load_contracts
    from datacentre.control.store import opened

    settings = from_environment()
    contracts = load_contracts(settings.schemas)
    plan = overridden(read_database_mapping(mapping_path(settings.mappings, mapping), contracts), url_env, lag_seconds)
    if detect_deletes:
        check_detects_deletes(plan)
    section = database_section(plan)
    contract = contracts[plan.stream]
    url = _url(section.url_env)
    create_topics(settings.bootstrap_servers, [contract])
    stop = _asked_to_stop()
    with (
        only_puller(settings.run, contract.key, section.label),
        opened(settings.control_url) as store,
        closing(DatabaseSource(contract, plan, url, store, settings.home / "rejects", page_rows)) as source,
        progress_bar(f"pulling {section.label}", None) as bar,
    ):
        if from_start:
            source.start_again()
        if follow is not None:
            keep_polling(
                source,
                lambda: LibrdkafkaProducer(settings.bootstrap_servers),
                follow,
                detect_deletes,
                bar.to,
                lambda problem: err.print(f"waiting: {problem}", markup=False, highlight=False),
                stop,
            )
        else:
            producer = LibrdkafkaProducer(settings.bootstrap_servers)
            source.poll(producer, bar.to, stop.is_set)
            if detect_deletes and not stop.is_set():
                source.find_vanished(producer, bar.by, stop.is_set)
    if json:
        print_json(source.outcome)
    else:
        _print(source.outcome)


def _url(name: str) -> str:
    url = os.environ.get(name, "")
    if not url:
        raise ContractError(f"{name} is not set: it must hold the database's URL, such as postgresql://user@host/name")
    return url


def _asked_to_stop() -> Event:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: stop.set())
    return stop


def _print(outcome: "PullOutcome") -> None:
    out.print(f"{outcome.rows:,} rows of {outcome.table} became {outcome.events:,} events of {outcome.stream}")
    if outcome.deletions or outcome.vanished:
        out.print(f"{outcome.deletions:,} deletions by flag, {outcome.vanished:,} of keys that have vanished")
    if outcome.rejected or outcome.dropped_values:
        out.print(
            f"{outcome.rejected:,} rows could not be mapped, {outcome.dropped_values:,} values were given up; "
            f"each is in {outcome.rejects_file}"
        )
    if outcome.unmentioned_columns:
        out.print(f"neither mapped nor left out: {', '.join(outcome.unmentioned_columns)}")
    if outcome.is_held:
        since = f" since {outcome.held_since:%Y-%m-%d %H:%M:%S} UTC" if outcome.held_since else ""
        out.print(f"the newest rows wait for a transaction of the database that is open{since}")
