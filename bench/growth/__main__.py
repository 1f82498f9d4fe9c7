"""`python -m bench.growth`: builds of the same increments over little history and over ten times as much."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench.growth.equality import require_equality
from bench.growth.history import GrowingLake, events
from bench.growth.steps import CPU, DBT, WHOLE, Seconds, timed_build
from connectors.sources.simulation import OutgoingRecord
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.settings import REPOSITORY, from_environment
from datacentre.stages.build import build

_FILE = REPOSITORY / "docs" / "bench" / "growth.json"
_TIMES, _PROMISED = 10, 1.3
_ROUND_EVENTS = 2_500
_SHOWN_NODES = 12


@one_line_errors
def growth(
    history: Annotated[int, typer.Option(min=10_000, help="events before the increments")] = 100_000,
    increment: Annotated[int, typer.Option(min=1_000, help="events in one increment")] = 10_000,
    increments: Annotated[int, typer.Option(min=1)] = 7,
    home: Annotated[Path, typer.Option(help="emptied first")] = Path("var/growth"),
) -> None:
    """Prints where the seconds of a build go, medians over the increments; keeps them in docs/bench/growth.json.

    The two histories end in the same events, and their builds take turns, so that what else the machine does hits
    both. Fails where the larger one's marts are not, row for row, what a build from the start makes.
    """
    made = events(from_environment(), history * _TIMES + increment * increments)
    before, fresh = made[: history * _TIMES], made[history * _TIMES :]
    sizes = (history, history * _TIMES)
    lakes = [_grown(home.resolve() / str(size), before[-size:]) for size in sizes]
    found: tuple[list[Seconds], list[Seconds]] = ([], [])
    for start in range(0, len(fresh), increment):
        for lake, builds in zip(lakes, found, strict=True):
            lake.grow(fresh[start : start + increment], increment)
            builds.append(timed_build(lake.settings))
    out.print(f"{require_equality(lakes[1].settings):,} rows are those of a build from the start")
    little, much = _medians(found[0]), _medians(found[1])
    _tell(sizes, little, much)
    _keep({"history": sizes, "increment": increment, "increments": increments}, little, much)


def _grown(home: Path, records: Sequence[OutgoingRecord]) -> GrowingLake:
    """A centre with this history, its marts built from the start."""
    begun = time.monotonic()
    lake = GrowingLake(home)
    lake.grow(records, _ROUND_EVENTS)
    lake.compact()
    landed = time.monotonic()
    build(lake.settings)
    out.print(f"{len(records):,} events: landed in {landed - begun:.0f} s, built in {time.monotonic() - landed:.0f} s")
    return lake


def _medians(builds: Sequence[Seconds]) -> Seconds:
    steps = {step for b in builds for step in b}
    return {step: statistics.median(b.get(step, 0.0) for b in builds) for step in steps}


def _tell(sizes: tuple[int, int], little: Seconds, much: Seconds) -> None:
    nodes = [step for step in much if step.startswith(f"{DBT} ")]
    growing = sorted(nodes, key=lambda step: little.get(step, 0.0) - much[step])[:_SHOWN_NODES]
    steps = sorted(set(much) - set(nodes), key=lambda step: -much[step]) + growing
    rows = [[s, round(little.get(s, 0.0), 3), round(much[s], 3), _ratio(little, much, s)] for s in steps]
    print_table("Seconds of an incremental build", ["step", *(f"{n:,}" for n in sizes), "ratio"], rows)
    out.print(f"ratio {_ratio(little, much, WHOLE)}, promised {_PROMISED}; of CPU seconds {_ratio(little, much, CPU)}")


def _ratio(little: Seconds, much: Seconds, step: str) -> float:
    return round(much[step] / max(little.get(step, 0.0), 0.001), 2)


def _keep(given: Mapping[str, object], little: Seconds, much: Seconds) -> None:
    document = {
        **given,
        "taken": datetime.now(UTC).isoformat(timespec="minutes"),
        "ratio": _ratio(little, much, WHOLE),
        "promised": _PROMISED,
        "seconds": {s: [round(little.get(s, 0.0), 4), round(much[s], 4)] for s in sorted(much)},
    }
    _FILE.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(growth)
