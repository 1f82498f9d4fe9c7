"""`quarantine list`, `show`, `replay`, `dismiss`."""

from datetime import date
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table
from datacentre.cli.marts import print_outcomes
from datacentre.errors import CheckFailed, ContractError
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from datacentre.cli.record_view import Line
    from lake.quarantine import RejectedRecord, Selection, WholeRecord

app = typer.Typer(help="Records that broke a rule: kept whole, with their offset and every rule they broke.")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]
Stream = Annotated[str, typer.Argument(help="stream key")]
Rule = Annotated[str | None, typer.Option(help="only records that broke this rule")]
Day = Annotated[str | None, typer.Option(help="only records of this ingest date, YYYY-MM-DD (UTC)")]


@app.command("list")
@one_line_errors
def list_(
    stream: Annotated[str | None, typer.Argument(help="one stream key; all when absent")] = None,
    rule: Rule = None,
    day: Day = None,
    limit: Annotated[int, typer.Option(min=0, help="records shown")] = 20,
    json: Json = False,
) -> None:
    """Count open records by stream, rule and day, and show the newest."""
    from datacentre.contracts import choose, load_contracts
    from lake.quarantine import count_open, rejected_records

    settings, selection = from_environment(), _selection(rule, day)
    chosen = choose(load_contracts(settings.schemas), [stream] if stream else None).values()
    counts = [count for c in chosen for count in count_open(settings.lake, c, selection)]
    records = [r for c in chosen for r in rejected_records(settings.lake, c, selection, limit)][:limit]
    if json:
        print_json({"counts": counts, "records": records})
        return
    rows = [(c.stream, c.rule, c.day, c.records) for c in counts]
    print_table("Open in quarantine", ["stream", "rule", "day", "records"], rows)
    for record in records:
        _print(record)


@app.command()
@one_line_errors
def show(
    stream: Stream,
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    json: Json = False,
) -> None:
    """Show one record whole, with its raw values, and mark each field that broke a rule."""
    from datacentre.cli.record_view import lay_out
    from datacentre.contracts import choose, load_contracts
    from lake.quarantine import whole_record

    settings = from_environment()
    contract = choose(load_contracts(settings.schemas), [stream])[stream]
    record = whole_record(settings.lake, contract, partition, offset)
    if record is None:
        raise CheckFailed(f"{stream}: quarantine has no record at partition {partition} offset {offset}")
    lines = lay_out(contract, record.value, record.broken_rules)
    if json:
        print_json({"record": record, "lines": lines})
        return
    _print_whole(record, lines)


@app.command()
@one_line_errors
def replay(
    stream: Stream,
    rule: Rule = None,
    day: Day = None,
    patch: Annotated[
        Path | None, typer.Option(help="YAML that renames fields (rename:) or replaces codes (codes:) before judging")
    ] = None,
    json: Json = False,
) -> None:
    """Judge open records by today's contract again, and land those that are good now, once."""
    from datacentre.stages.replay import replay as replay_stream

    outcome = replay_stream(from_environment(), stream, getuser(), _selection(rule, day), patch)
    print_outcomes("Replayed from quarantine", [outcome], json)


@app.command()
@one_line_errors
def dismiss(
    stream: Stream,
    reason: Annotated[str, typer.Option(help="why they will never be landed; kept with the records")],
    rule: Rule = None,
    day: Day = None,
    offset: Annotated[str | None, typer.Option(help="one record, as partition:offset")] = None,
    json: Json = False,
) -> None:
    """Close open records for good; they stay in quarantine with who decided, when and why."""
    from datacentre.stages.replay import dismiss as dismiss_records

    if not reason.strip():
        raise ContractError("--reason: say why these records will never be landed")
    outcome = dismiss_records(from_environment(), stream, getuser(), reason, _selection(rule, day, offset))
    print_outcomes("Dismissed", [outcome], json)


def _selection(rule: str | None, day: str | None, offset: str | None = None) -> "Selection":
    from lake.quarantine import Selection

    return Selection(rule, None if day is None else _day(day), None if offset is None else _place(offset))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ContractError(f"--day {text!r} must read YYYY-MM-DD") from None


def _place(text: str) -> tuple[int, int]:
    partition, colon, offset = text.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise ContractError(f"--offset {text!r} must read partition:offset, such as 0:1234")
    return int(partition), int(offset)


def _print(record: "RejectedRecord") -> None:
    out.print(f"[bold]{record.stream}[/] partition {record.partition} offset {record.offset} at {record.broker_time}")
    out.print(f"  broke: {', '.join(record.broken_rules)}", markup=False)
    out.print(f"  bytes: {record.value!r}", markup=False, highlight=False)


def _print_whole(record: "WholeRecord", lines: "tuple[Line, ...]") -> None:
    out.print(f"[bold]{record.stream}[/] partition {record.partition} offset {record.offset} at {record.broker_time}")
    decided = [
        str(x) for x in (record.replay_id, record.patch, record.decided_by, record.decided_at, record.reason) if x
    ]
    known = {
        "key": repr(record.key),
        "ingest date": record.ingest_date,
        "contract": f"{record.contract_version} ({record.contract_hash[:12]})",
        "status": ", ".join([record.status, *decided]),
        "broke": ", ".join(record.broken_rules),
    }
    for name, value in known.items():
        out.print(f"  {name}: {value}", markup=False, highlight=False)
    for line in lines:
        mark, why = ("> ", f"   <- {', '.join(line.broken)}") if line.broken else ("  ", "")
        style = "bold red" if line.broken else None
        out.print(f"{mark}{line.text}{why}", markup=False, highlight=False, style=style)
