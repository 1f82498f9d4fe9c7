"""`python -m bench.ingest <what>`: take figures, keep them in docs/bench, print the ratios, draw the charts."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bench.ingest import (
    charts,
    commits,
    connect,
    consume,
    freshness,
    memory,
    readers,
    records,
    report,
    sinks,
    spark,
    stages,
)
from bench.ingest.box import Box, opened
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.settings import REPOSITORY

app = typer.Typer(add_completion=False, no_args_is_help=True)
_PARTS: dict[str, Callable[[Box, int], None]] = {}


def part(measure: Callable[[Box, int], None]) -> Callable[[Box, int], None]:
    """Make a part of the whole run also a command of its own."""
    _PARTS[measure.__name__] = measure
    return measure


@part
def throughput(box: Box, count: int) -> None:
    """Bare clients, our sink and Spark over the same records, one after the other; then three readers of our lake."""
    records.fill(box, count)
    pairs = [(client, processes) for client in consume.CLIENTS for processes in (1, 2)]
    report.store({"consume": [consume.measure(box, *pair) for pair in pairs]})
    report.store({"ours": [sinks.measure(box, *pair) for pair in pairs]})
    report.store({"readers": readers.measure(box, box.settings.home / "ours")})
    report.store({"spark": spark.measure(box)})


@part
def iceberg(box: Box, count: int) -> None:
    """Kafka Connect's Iceberg sink; takes two minutes whatever the number of records."""
    report.store({"connect": connect.measure(box, count // 2)})


@part
def fresh(box: Box, count: int) -> None:
    """Event to readable row at steady rates over all streams."""
    report.store({"freshness": [row for client in consume.CLIENTS for row in freshness.measure(box, client)]})


@part
def flat(box: Box, count: int) -> None:
    """What a commit costs over 10,000 of them."""
    report.store({"commits": commits.measure(box)})


@part
def lean(box: Box, count: int) -> None:
    """Resident memory while one process catches up on ten times as many records."""
    report.store({"memory": memory.measure(box, count)})


@part
def profile(box: Box, count: int) -> None:
    """Where the CPU of a commit goes, step by step, in one thread."""
    report.store({"stages": stages.measure(box)})


@app.command()
@one_line_errors
def run(
    parts: Annotated[list[str] | None, typer.Argument(help=f"any of {', '.join(_PARTS)}; all when none")] = None,
    count: Annotated[int, typer.Option("--records", help="distinct records in the topic")] = 2_000_000,
    home: Annotated[Path, typer.Option(help="where broker, topics and lakes live")] = REPOSITORY / "var" / "bench",
    port: Annotated[int, typer.Option(help="port of the broker; the next dozen are used too")] = 29_292,
) -> None:
    """Take the figures of some or all parts in one run."""
    unknown = set(parts or ()) - set(_PARTS)
    if unknown:
        raise typer.BadParameter(f"no part {', '.join(sorted(unknown))}; there are {', '.join(_PARTS)}")
    with opened(home.resolve(), port) as box:
        for name in parts or _PARTS:
            out.print(f"{name}: {(_PARTS[name].__doc__ or '').splitlines()[0]}")
            _PARTS[name](box, count)
    show()


@app.command()
@one_line_errors
def show() -> None:
    """Print the figures that are kept, and draw their charts anew."""
    document = report.load()
    _print_engines(document)
    _print_rest(document)
    rows = [
        [
            p.name,
            f"{p.value:.3g}",
            f"{'>=' if p.is_at_least else '<='} {p.target:.3g}",
            "kept" if p.is_kept else "MISSED",
        ]
        for p in report.promises(document)
    ]
    print_table("Promises", ["ratio or figure", "measured", "promised", ""], rows)
    out.print(f"charts: {', '.join(charts.draw(document))} in {report.FOLDER.relative_to(REPOSITORY)}")


def _print_engines(document: report.Document) -> None:
    rows = [
        [
            f"only consuming, {r['client']}, {r['processes']}",
            r["records_per_second"],
            r["cpu_seconds_per_million"],
            "",
            "",
        ]
        for r in document.get("consume", [])
    ]
    rows += [
        [
            f"sink, {r['client']}, {r['processes']}",
            r["records_per_second"],
            r["steady_cpu_seconds_per_million"],
            r["peak_mib"],
            r["others_cores"],
        ]
        for r in document.get("ours", [])
    ]
    rows += [
        [
            f"Spark into {r['format']}, run {r['run'] + 1}",
            r["records_per_second"],
            r["cpu_seconds_per_million"],
            r["peak_mib"],
            r["others_cores"],
        ]
        for r in document.get("spark", [])
    ]
    if r := document.get("connect"):
        row = [r["records_per_second"], r["cpu_seconds_per_million"], r["peak_mib"], r["others_cores"]]
        rows.append([f"Kafka Connect, Iceberg (first commit after {r['first_commit_seconds']:.0f} s)", *row])
    columns = ["engine, processes", "records/s", "CPU s per million", "peak MiB", "cores taken by others"]
    print_table("Kafka to the lake", columns, [[_short(cell) for cell in row] for row in rows])


def _print_rest(document: report.Document) -> None:
    columns = ["client", "rate", "rows", "p50", "p95", "p99", "longest", "worst_stream_p95", "commits_per_second"]
    fresh_rows = [[_short(row[name]) for name in columns] for row in document.get("freshness", [])]
    print_table("Seconds until a row is readable", columns, fresh_rows)
    if "stages" in document:
        steps = [[s["step"], _short(s["microseconds"])] for s in document["stages"]]
        print_table("CPU of a commit", ["step", "microseconds per record"], steps)
    if "readers" in document:
        engines = document["readers"]
        names = list(next(iter(engines.values())))
        print_table("The same table read by", ["engine", *names], [[e, *f.values()] for e, f in engines.items()])


def _short(value: object) -> object:
    return (
        f"{value:,.0f}"
        if isinstance(value, float) and value >= 100
        else f"{value:.2f}"
        if isinstance(value, float)
        else value
    )


if __name__ == "__main__":
    app()
