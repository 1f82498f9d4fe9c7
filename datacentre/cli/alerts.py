"""`alerts`: what somebody should look at."""

from typing import Annotated

import typer

from datacentre.cli.console import one_line_errors, print_json, print_table
from datacentre.settings import from_environment


@one_line_errors
def alerts(
    everything: Annotated[bool, typer.Option("--all", help="the last hundred, resolved ones too")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")] = False,
) -> None:
    """Open alerts: late, stopped and held streams, differences, failed tasks, parts that keep dying."""
    from datacentre.control.alerts import open_alerts, recent_alerts
    from datacentre.control.store import opened

    with opened(from_environment().control_url) as control:
        found = recent_alerts(control) if everything else open_alerts(control)
    if json:
        print_json(found)
        return
    rows = [[a.kind, a.stream, a.raised_at, a.seen_at, a.times, a.resolved_at, a.text] for a in found]
    print_table("Alerts", ["kind", "stream", "since", "last seen", "times", "resolved", "what"], rows)
