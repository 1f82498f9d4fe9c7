"""`backfill`: decode a range of a topic again."""

from getpass import getuser
from typing import Annotated

import typer

from datacentre.cli.console import err, one_line_errors
from datacentre.cli.marts import print_outcomes
from datacentre.settings import from_environment


@one_line_errors
def backfill(
    stream: Annotated[str, typer.Argument(help="stream key")],
    partition: Annotated[int, typer.Option(min=0, help="of the topic")],
    start: Annotated[
        int | None,
        typer.Option("--from", min=0, help="first offset in the lake; the topic's first when absent"),
    ] = None,
    following: Annotated[
        int | None, typer.Option("--to", min=1, help="the offset behind the last; all that has landed when absent")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
) -> None:
    """Decode landed records again by today's contract and program, while the topic keeps them.

    What comes out differently replaces what is in the lake, at the same offsets; the next check and build redo
    only that.
    """
    from datacentre.stages.backfill import backfill as redo

    with err.status("decoding again"):
        outcome = redo(from_environment(), stream, partition, getuser(), start, following)
    print_outcomes("Decoded again", [outcome], json)
