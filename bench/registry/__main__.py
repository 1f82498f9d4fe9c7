"""`python -m bench.registry`: the registry's full build, and increments over its history and over a tenth of it."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench.registry.history import EVENTS_PER_PERSON, BenchCentre
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.settings import REPOSITORY

_FILE = REPOSITORY / "docs" / "bench" / "registry.json"
_PROMISED = {"full_seconds": 300, "full_mb": 6_000, "increment_seconds": 20, "ratio": 1.3}
_TIMES = 10
_FIELDS = ("seconds", "cpu_seconds", "rows", "persons", "written", "peak_mb")
Run = dict[str, float]


@one_line_errors
def registry(
    history: Annotated[int, typer.Option(min=100_000, help="events of the larger registry")] = 5_000_000,
    increment: Annotated[int, typer.Option(min=1_000, help="events in one increment")] = 10_000,
    increments: Annotated[int, typer.Option(min=1, help="twelve fill a whole part of the tables")] = 12,
    home: Annotated[Path, typer.Option(help="emptied first; takes 8 GB")] = Path("var/registry-bench"),
) -> None:
    """Prints seconds and memory, medians over the increments, and keeps them in docs/bench/registry.json.

    Both registries have as many events per person. Increments take turns, so that what else the machine does hits both.
    """
    sizes = (history // _TIMES, history)
    centres = [BenchCentre(home.resolve() / str(size), int(size / EVENTS_PER_PERSON)) for size in sizes]
    full = [_built(centre, size) for centre, size in zip(centres, sizes, strict=True)]
    runs: tuple[list[Run], list[Run]] = ([], [])
    for number in range(increments):
        for centre, size, found in zip(centres, sizes, runs, strict=True):
            centre.go_on(size + number * increment, increment)
            found.append(_measured(centre))
    medians = [{name: statistics.median(run[name] for run in found) for name in _FIELDS} for found in runs]
    _tell(sizes, full, medians)
    _keep({"history": sizes, "increment": increment, "increments": increments}, full, medians)


def _built(centre: BenchCentre, size: int) -> Run:
    centre.grow(0, size)
    return _measured(centre)


def _measured(centre: BenchCentre) -> Run:
    """A refresh in a process of its own."""
    command = [sys.executable, "-m", "bench.registry.run", str(centre.settings.home)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def _ratio(medians: Sequence[Run], name: str) -> float:
    return round(medians[1][name] / medians[0][name], 2)


def _tell(sizes: Sequence[int], full: Sequence[Run], medians: Sequence[Run]) -> None:
    for title, found in (("Full build", full), ("Increment", medians)):
        rows = [[name, *(round(run[name], 2) for run in found), _ratio(found, name)] for name in _FIELDS]
        print_table(title, ["", *(f"{size:,} events" for size in sizes), "ratio"], rows)
    out.print(f"promised: {_PROMISED}")


def _keep(given: dict[str, object], full: Sequence[Run], medians: Sequence[Run]) -> None:
    document = {
        **given,
        "taken": datetime.now(UTC).isoformat(timespec="minutes"),
        "promised": _PROMISED,
        "full": [{name: round(run[name], 2) for name in _FIELDS} for run in full],
        "increment_medians": [{name: round(run[name], 3) for name in _FIELDS} for run in medians],
        "ratio": _ratio(medians, "seconds"),
        "ratio_of_cpu": _ratio(medians, "cpu_seconds"),
    }
    _FILE.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(registry)
