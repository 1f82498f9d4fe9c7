"""`demo`: the whole way of 200,000 records, in a home of its own, leaving nothing running."""

from typing import Annotated

import typer

from datacentre.cli.console import one_line_errors


@one_line_errors
def demo(
    records: Annotated[int, typer.Option(min=1000, help="about how many records to stream")] = 210_000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same people")] = 2026,
) -> None:
    """Stream simulated agencies through Kafka, sink, Airflow, Great Expectations and dbt, and reconcile."""
    from datacentre.cli.demonstration import demonstrate

    demonstrate(records, seed)
