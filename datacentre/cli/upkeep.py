"""`upkeep`, `retain`: what sinks do beside their commits, and what contracts say of age, by hand or by schedule."""

from typing import Annotated

import typer

from datacentre.cli.console import one_line_errors, print_json, print_table, progress_bar
from datacentre.cli.marts import print_outcomes
from datacentre.settings import from_environment


@one_line_errors
def upkeep(
    streams: Annotated[list[str] | None, typer.Argument(help="stream keys; all when none is named")] = None,
    retention_hours: Annotated[
        int, typer.Option(min=0, help="how long replaced files stay for readers of older versions")
    ] = 168,
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
) -> None:
    """Merge small files, clean the logs and delete files that nothing names; the sinks go on meanwhile."""
    from datacentre.contracts import choose, load_contracts
    from datacentre.stages.upkeep import upkeep as keep_up

    settings = from_environment()
    with progress_bar("keeping up", len(choose(load_contracts(settings.schemas), streams))) as bar:
        done = keep_up(settings, streams, retention_hours, bar.by)
    if json:
        print_json(list(done))
    else:
        rows = [[d.stream, d.layer, d.merged, d.made, d.deleted] for d in done]
        print_table("Upkeep", ["stream", "layer", "files merged", "files made", "files deleted"], rows)


@one_line_errors
def retain(
    streams: Annotated[list[str] | None, typer.Argument(help="stream keys; all when none is named")] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
) -> None:
    """Let go of what contracts keep no longer, and give topics their contract's retention."""
    from datacentre.stages.retain import retain as let_go

    print_outcomes("Let go", let_go(from_environment(), streams), json)
