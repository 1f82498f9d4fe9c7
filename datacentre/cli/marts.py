"""`check`, `build`, `examine`, `query`, `forget`; imports stand inside, they take longer than a query."""

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out, print_json, print_table
from datacentre.errors import CheckFailed, ContractError
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from datacentre.stages.outcome import Outcome

Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]
_SHOWN_ROWS = 1000


@one_line_errors
def check(
    streams: Annotated[list[str] | None, typer.Argument(help="stream keys; all when none is named")] = None,
    json: Json = False,
) -> None:
    """Certify what has landed since the last check; exit code 5 when an increment is held."""
    from datacentre.stages.check import check as check_streams

    with err.status("Great Expectations checks what has landed"):
        outcomes = check_streams(from_environment(), streams or None)
    print_outcomes("Checked with Great Expectations", outcomes, json)
    unread = [f"{o.stream}: {o.detail['error']}" for o in outcomes if "error" in o.detail]
    if unread:
        raise CheckFailed("; ".join(unread))
    held = [o.stream for o in outcomes if o.rows_out < o.rows_in]
    if held:
        raise CheckFailed(f"held back: {', '.join(held)}; see datacentre status and the reasons above")


@one_line_errors
def forget(json: Json = False) -> None:
    """Make the vault forget the identity of records that were deleted by key."""
    from datacentre.stages.forget import forget as forget_deleted

    print_outcomes("Forgotten", forget_deleted(from_environment()), json)


@one_line_errors
def build(json: Json = False) -> None:
    """Build the marts from what is certified, and publish them."""
    from datacentre.stages.build import build as build_marts

    with err.status("dbt builds the marts"):
        outcome = build_marts(from_environment())
    print_outcomes("Built with dbt", [outcome], json)


@one_line_errors
def examine(json: Json = False) -> None:
    """Test the marts whole, not only what the last build added; tell which streams are silent."""
    from datacentre.stages.examination import examine as examine_marts

    with err.status("dbt tests everything"):
        outcome = examine_marts(from_environment())
    print_outcomes("Tested with dbt", [outcome], json)


@one_line_errors
def query(
    sql: Annotated[str, typer.Argument(help="one SELECT over the published marts, in DuckDB's SQL")],
    json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="comma-separated values")] = False,
) -> None:
    """Ask the published marts, read-only."""
    import duckdb

    from lake.marts import published

    with duckdb.connect(str(published(from_environment().marts)), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        try:
            connection.execute("set search_path = 'marts'")
            answer = connection.execute(sql)
            columns, rows = [d[0] for d in answer.description or []], answer.fetchall()
        except duckdb.Error as problem:
            raise ContractError(f"query: {' '.join(str(problem).split())}") from None
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        csv.writer(sys.stdout).writerows([columns, *rows])
    else:
        print_table("", columns, rows[:_SHOWN_ROWS])
        if len(rows) > _SHOWN_ROWS:
            out.print(f"{len(rows):,} rows, the first {_SHOWN_ROWS:,} shown; --csv gives all")


def print_outcomes(title: str, outcomes: "Sequence[Outcome]", as_json: bool) -> None:
    if as_json:
        print_json(list(outcomes))
        return
    columns = ["stream", "offsets", "rows in", "rows out", "quarantined", "seconds"]
    rows = [[o.stream, o.interval, o.rows_in, o.rows_out, o.rows_quarantined, round(o.seconds, 2)] for o in outcomes]
    print_table(title, columns, rows)
    for outcome in outcomes:
        for name, value in outcome.detail.items():
            if value and name != "certificates":
                out.print(f"  {outcome.stream} {name}: {value}", markup=False, highlight=False)
