"""`send`, `simulate`, `sink`, `verify`: records into the topics and the lake.

Imports stand inside the commands: together they take seconds, and each command needs a few.
"""

import signal
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out, print_json, print_table, progress_bar
from datacentre.errors import ContractError
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from datacentre.stages.verify import PartitionReport

Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]
Streams = Annotated[list[str] | None, typer.Argument(help="stream keys; all when none is named")]


class Scope(StrEnum):
    """What `verify` compares."""

    TOPIC = "topic"
    LANDED = "landed"


@one_line_errors
def send(
    stream: Annotated[str, typer.Argument(help="stream key, such as dot__exit_survey")],
    file: Annotated[Path, typer.Argument(help="CSV, JSON Lines (also .gz) or Parquet")],
    mapping: Annotated[
        str | None,
        typer.Option(help="name of a mapping in schemas/mappings, or a path; none: names as in the contract"),
    ] = None,
    json: Json = False,
) -> None:
    """Send an agency's file to its stream; sending it again makes no duplicates downstream."""
    from connectors.sources.file_source import mapping_path, read_mapping, send_file
    from connectors.sources.producer import KafkaPythonProducer
    from connectors.topics import create_topics
    from datacentre.contracts import choose, load_contracts

    settings = from_environment()
    contracts = load_contracts(settings.schemas)
    contract = choose(contracts, [stream])[stream]
    plan = read_mapping(mapping_path(settings.mappings, mapping), contracts) if mapping else None
    create_topics(settings.bootstrap_servers, [contract])
    rejects = settings.home / "rejects" / f"{stream}.{file.name}.jsonl"
    producer = KafkaPythonProducer(settings.bootstrap_servers)
    with progress_bar(f"sending {file.name}", None) as bar:
        outcome = send_file(contract, file, plan, producer, rejects, bar.to)
    producer.close()
    if json:
        print_json(outcome)
        return
    out.print(f"{outcome.rows:,} rows of {file.name} became {outcome.events:,} events of {stream}")
    if outcome.rejected:
        out.print(f"{outcome.rejected:,} rows could not be mapped; each is in {outcome.rejects_file}")


@one_line_errors
def simulate(
    records: Annotated[int, typer.Option(min=1, help="about how many records, over all streams")] = 200_000,
    seed: Annotated[int, typer.Option(help="the same seed and time give the same records")] = 2026,
    defects: Annotated[float, typer.Option(min=0, max=1, help="share of records that are made invalid")] = 0.02,
    defect: Annotated[
        list[str] | None, typer.Option(help="share of one kind of defect, such as late=0.05; may be repeated")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="records a second; flat out when absent")] = None,
    until: Annotated[datetime | None, typer.Option(help="UTC end of the simulated time; now when absent")] = None,
    json: Json = False,
) -> None:
    """Send the records of a simulated government, in which the same people appear in all streams."""
    from connectors.sources.producer import LibrdkafkaProducer
    from connectors.sources.simulation import DefectShares, generate
    from connectors.sources.simulation import simulate as send_all
    from connectors.topics import create_topics
    from datacentre.contracts import load_contracts

    settings = from_environment()
    contracts = load_contracts(settings.schemas)
    create_topics(settings.bootstrap_servers, contracts.values())
    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    shares = replace(DefectShares.spread(defects), **_shares(defect or []))
    generated = generate(contracts, settings.reference, seed, records, end, shares)
    producer = LibrdkafkaProducer(settings.bootstrap_servers)
    with progress_bar("simulating", records) as bar:
        sent = send_all(generated, producer, rate, bar.to)
    if json:
        print_json(sent)
        return
    print_table("Sent", ["stream", "records"], sorted(sent.by_stream.items()))
    print_table("Made defective on purpose", ["defect", "records"], sorted(sent.by_defect.items()))


def _shares(written: list[str]) -> dict[str, float]:
    from connectors.sources.simulation import DefectShares

    kinds = [f.name for f in fields(DefectShares)]
    shares = {}
    for text in written:
        kind, _, share = text.partition("=")
        try:
            shares[kind] = float(share)
        except ValueError:
            raise ContractError(f"--defect {text!r} must read kind=share") from None
        if kind not in kinds:
            raise ContractError(f"--defect {text!r}: the kinds are {', '.join(kinds)}")
    return shares


@one_line_errors
def sink(
    streams: Streams = None,
    until_caught_up: Annotated[
        bool,
        typer.Option("--until-caught-up", help="end when the end offsets seen at the start are in the lake"),
    ] = False,
    start_partitions: Annotated[
        bool, typer.Option("--start-partitions", help="begin partitions that were added to a topic")
    ] = False,
    skip_lost: Annotated[
        bool, typer.Option("--skip-lost", help="go on behind offsets that retention removed before they were landed")
    ] = False,
    new_topic: Annotated[bool, typer.Option("--new-topic", help="go on with a topic that was made anew")] = False,
    json: Json = False,
) -> None:
    """Land records in the lake, exactly once."""
    from connectors.sink.memory import leave_out_pandas, share_one_heap

    share_one_heap()
    leave_out_pandas()
    from connectors.sink.consent import Consent
    from connectors.sink.progress import Progress
    from connectors.sink.sink import Sink
    from datacentre.contracts import choose, load_contracts
    from datacentre.services.announce import Announcer

    settings = from_environment()
    contracts = load_contracts(settings.schemas)
    chosen = choose(contracts, streams)
    member = Sink(settings, chosen, Consent(start_partitions, skip_lost, new_topic))
    for problem in member.failures.values():
        err.print(f"left out: {problem}", markup=False, highlight=False)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: asked.append(received))
    with (
        progress_bar("landing", member.behind() if until_caught_up else None) as bar,
        closing(Announcer(settings)) as announcer,
    ):
        told: dict[str, int] = {}

        def tell(done: Progress) -> None:
            bar.to(done.records)
            announcer.landed(stream for stream, size in done.size_bytes.items() if size != told.get(stream))
            told.update(done.size_bytes)

        progress = member.run(until_caught_up, lambda: bool(asked), tell)
    if json:
        print_json(progress)
    else:
        rows = [[k, progress.landed[k], progress.quarantined[k]] for k in chosen]
        print_table("Written by this sink", ["stream", "landed", "quarantined"], rows)
    member.require_all_streams()


@one_line_errors
def verify(
    streams: Streams = None,
    scope: Annotated[
        Scope, typer.Option(help="topic: all that the topic holds; landed: only up to the lake's positions")
    ] = Scope.TOPIC,
    json: Json = False,
) -> None:
    """Reconcile topics and lake offset by offset; exit code 5 on any difference."""
    from datacentre.stages.verify import require_agreement
    from datacentre.stages.verify import verify as verify_streams

    settings = from_environment()
    with progress_bar("reading topics", None) as bar:
        reports = verify_streams(settings, streams or None, scope.value, told=bar.by)
    if json:
        print_json(list(reports))
    else:
        print_reports(reports)
    require_agreement(reports)


def print_reports(reports: "tuple[PartitionReport, ...]") -> None:
    """One row per stream, partitions added up."""
    counts = ("topic", "landed", "quarantined", "identified", "vault")
    rows = []
    for key in dict.fromkeys(r.stream for r in reports):
        mine = [r for r in reports if r.stream == key]
        differences = sum(len(r.differences) for r in mine)
        rows.append([key, len(mine), *(sum(getattr(r, c) for r in mine) for c in counts), differences])
    columns = [
        "stream",
        "partitions",
        "topic",
        "= landed",
        "+ quarantined",
        "with identity",
        "= vault",
        "differences",
    ]
    print_table("Reconciliation, in distinct offsets", columns, rows)
