"""`quarantine list`."""

from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from lake.quarantine import RejectedRecord

app = typer.Typer(help="Records that broke a rule: kept whole, with their offset and every rule they broke.")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]


@app.callback()
def _group() -> None:
    """Keep `quarantine` a group while it has one command."""


@app.command("list")
@one_line_errors
def list_(
    stream: Annotated[str | None, typer.Argument(help="one stream key; all when absent")] = None,
    rule: Annotated[str | None, typer.Option(help="only records that broke this rule")] = None,
    limit: Annotated[int, typer.Option(min=0, help="records shown")] = 20,
    json: Json = False,
) -> None:
    """Count open records by stream and rule, and show the newest."""
    from datacentre.contracts import choose, load_contracts
    from lake.quarantine import count_by_rule, rejected_records

    settings = from_environment()
    contracts = load_contracts(settings.schemas)
    chosen = choose(contracts, [stream] if stream else None).values()
    counts = [(c.key, r, n) for c in chosen for r, n in count_by_rule(settings.lake, c) if rule in (None, r)]
    records = [r for c in chosen for r in rejected_records(settings.lake, c, rule, limit)][:limit]
    if json:
        print_json(
            {
                "counts": [dict(zip(("stream", "rule", "records"), c, strict=True)) for c in counts],
                "records": records,
            }
        )
        return
    print_table("Open in quarantine", ["stream", "rule", "records"], counts)
    for record in records:
        _print(record)


def _print(record: "RejectedRecord") -> None:
    out.print(f"[bold]{record.stream}[/] partition {record.partition} offset {record.offset} at {record.broker_time}")
    out.print(f"  broke: {', '.join(record.broken_rules)}", markup=False)
    out.print(f"  bytes: {record.value!r}", markup=False, highlight=False)
