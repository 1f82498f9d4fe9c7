"""`trace`: from a cell of a mart back to the agency's file or request; of a person, where she is."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from datacentre.cli.console import err, one_line_errors, out, print_json, print_table
from datacentre.errors import ContractError
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from datacentre.stages.trace import Trace, TracedRecord, TracedStream

Json = Annotated[
    bool, typer.Option("--json", help="one JSON document, with up to 1000 records of a stream, instead of a tree")
]
_SHOWN = 10


@one_line_errors
def trace(
    mart: Annotated[str | None, typer.Argument(help="a mart, such as agg_service_month")] = None,
    key: Annotated[
        list[str] | None, typer.Argument(help="its row: `column=value`, or a value of any column of its key")
    ] = None,
    person: Annotated[
        str | None, typer.Option("--person", help="must be `-`: the CID is asked for, or read from standard input")
    ] = None,
    json: Json = False,
) -> None:
    """Say where a row comes from: dbt run, certificates, commits, offsets, agency's file or request, contract."""
    if (mart is None) == (person is None):
        raise ContractError("name a mart and a row of it, or give --person -")
    if mart is None:
        _print_places(str(person), json)
        return
    from datacentre.stages.trace import trace as trace_row

    with err.status("following the row back"):
        traced = trace_row(from_environment(), mart, key or [])
    if json:
        print_json(traced)
    else:
        out.print(_tree(traced), highlight=False)


def _print_places(person: str, json: bool) -> None:
    from datacentre.cli.citizen import asked_pseudonym
    from datacentre.cli.persons import print_readings
    from datacentre.stages.person_trace import places_of
    from sharing.readers import readings_of_person, releases_holding

    settings = from_environment()
    found = places_of(settings, asked_pseudonym(settings, person, "--person"))
    released = releases_holding(settings, found.person_key)
    read = readings_of_person(settings, found.person_key)
    if json:
        print_json({**asdict(found), "releases": released, "readings": read})
        return
    print_table(found.person_key, ["dataset", "rows"], [[name, rows] for name, rows in found.datasets.items()])
    rows = [[held.consumer, held.release, held.mart, held.rows] for held in released]
    print_table("Releases", ["consumer", "release", "mart", "rows"], rows)
    print_readings(read)


def _tree(traced: "Trace") -> Tree:
    key = " ".join(f"{name}={value}" for name, value in traced.key.items())
    tree = Tree(escape(f"{traced.mart} {key}"))
    build = traced.build
    ran = f"dbt run ended {build.ended_at:%F %T} UTC, {build.interval}" if build else "its dbt run is no longer kept"
    tree.add(escape(f"version {traced.published}: {ran}"))
    for mart, rows in traced.through.items():
        tree.add(f"through {rows:,} row(s) of {mart}")
    for name, rows in traced.reference_lists.items():
        tree.add(f"{rows} row(s) of reference list schemas/reference/{name}.csv, each with its source")
    for stream in traced.streams:
        _add_stream(tree, stream)
    return tree


def _add_stream(tree: Tree, stream: "TracedStream") -> None:
    count = stream.record_count
    versions = ", ".join(sorted({record.contract_version for record in stream.records}))
    branch = tree.add(escape(f"{stream.topic}: {count:,} record(s) written to contract {versions}"))
    for c in stream.certificates[:_SHOWN]:
        branch.add(f"certificate {c.id}: {c.range}, {c.status}, over landed version {c.landed_version}")
    for commit in stream.commits[:_SHOWN]:
        offsets = f"p{commit.partition} {commit.start}..{commit.next}"
        branch.add(f"commit {commit.version} of landed/{stream.topic}: {offsets}, {commit.at:%F %T} UTC")
    for record in stream.records[:_SHOWN]:
        branch.add(escape(_told(record)))
    most = max(count, len(stream.certificates), len(stream.commits))
    if most > _SHOWN:
        branch.add(f"the first {_SHOWN} of each shown; --json gives up to 1000 records")


def _told(record: "TracedRecord") -> str:
    place = f"partition {record.partition} offset {record.offset}, {record.broker_time:%F %T} UTC"
    commit = "no longer in the log" if record.commit is None else str(record.commit)
    event = f"{record.source} {record.event_id}: {record.came_from}"
    return f"{place}, certificate {record.certificate}, commit {commit}; {record.record_key}; {event}"
