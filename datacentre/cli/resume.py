"""`resume`: let a stopped stream go on."""

from typing import Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json
from datacentre.settings import from_environment


@one_line_errors
def resume(
    stream: Annotated[str, typer.Argument(help="stream key")],
    accept_poison: Annotated[
        bool, typer.Option("--accept-poison", help="let the records that were seen go to quarantine")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of text")] = False,
) -> None:
    """Let a stream go on that was stopped because too many of its records broke a rule.

    Running sinks take it up within a second, and judge its records from the start again.
    """
    from connectors.sink.poison import Stops

    stop = Stops(from_environment().home).resume(stream, accept_poison)
    if json:
        print_json(stop)
        return
    out.print(f"{stream} goes on; it was stopped at {stop.stopped_at}: {stop.reason}", markup=False, highlight=False)
    if accept_poison:
        seen = ", ".join(f"p{p} {start}..{following}" for p, (start, following) in stop.seen.items())
        out.print(f"Bad records in {seen} go to quarantine", markup=False, highlight=False)
