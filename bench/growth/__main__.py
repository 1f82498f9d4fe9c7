"""`python -m bench.growth`: one increment's build over little history and over ten times as much, beside each other."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import typer
from dbt.cli.main import dbtRunner

from bench.growth.history import GrowingLake, events
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.settings import from_environment
from datacentre.stages.build import build

_TIMES = 10
_ROUND_EVENTS = 2_500
_STEPS = {
    "certificates": "datacentre.stages.build.certified_by_stream",
    "copy of certified rows": "datacentre.stages.build.follow_certificates",
    "sources": "datacentre.stages.build.prepare",
    "pin": "datacentre.stages.build.pin",
    "publish": "datacentre.stages.build.publish",
    "freshness": "datacentre.stages.freshness._ages",
}
Seconds = dict[str, float]


@one_line_errors
def growth(
    history: Annotated[int, typer.Option(min=10_000, help="events before the increments")] = 100_000,
    increment: Annotated[int, typer.Option(min=1_000, help="events in one increment")] = 10_000,
    increments: Annotated[int, typer.Option(min=1)] = 5,
    home: Annotated[Path, typer.Option(help="emptied first")] = Path("var/growth"),
) -> None:
    """Prints where the seconds of a build go, by size of history; keeps them in docs/bench/growth.json."""
    made = events(from_environment(), history * _TIMES + increment * increments)
    before, fresh = made[: history * _TIMES], made[history * _TIMES :]
    grown = {str(size): _grown(home.resolve() / str(size), before[-size:]) for size in (history, history * _TIMES)}
    found: dict[str, list[Seconds]] = defaultdict(list)
    for start in range(0, len(fresh), increment):
        for size, lake in grown.items():
            lake.grow(fresh[start : start + increment], increment)
            found[size].append(_timed_build(lake))
    _tell(found)


def _grown(home: Path, records: list[Any]) -> GrowingLake:
    """A centre with this history, built from the start."""
    begun = time.monotonic()
    lake = GrowingLake(home)
    lake.grow(records, _ROUND_EVENTS)
    lake.compact()
    landed = time.monotonic()
    build(lake.settings)
    out.print(f"{len(records):,} events: landed in {landed - begun:.0f} s, built in {time.monotonic() - landed:.0f} s")
    return lake


def _timed_build(lake: GrowingLake) -> Seconds:
    spent: Seconds = defaultdict(float)
    with ExitStack() as patched:
        for step, place in _STEPS.items():
            patched.enter_context(_timed(step, place, spent))
        patched.enter_context(_dbt_timed(spent))
        begun, cpu = time.monotonic(), time.process_time()
        build(lake.settings)
        spent["whole"], spent["whole, CPU"] = time.monotonic() - begun, time.process_time() - cpu
    return dict(spent)


@contextmanager
def _timed(step: str, place: str, spent: Seconds) -> Iterator[None]:
    patching = patch(place)
    real = patching.get_original()[0]

    @wraps(real)
    def timed(*arguments: Any, **options: Any) -> Any:
        begun = time.monotonic()
        try:
            return real(*arguments, **options)
        finally:
            spent[step] += time.monotonic() - begun

    patching.new = timed
    with patching:
        yield


@contextmanager
def _dbt_timed(spent: Seconds) -> Iterator[None]:
    real = dbtRunner.invoke

    def timed(runner: dbtRunner, *arguments: Any, **options: Any) -> Any:
        begun = time.monotonic()
        result = real(runner, *arguments, **options)
        spent["dbt"] += time.monotonic() - begun
        for node in result.result or []:
            spent[f"dbt: {node.node.name}"] += node.execution_time
        return result

    with patch.object(dbtRunner, "invoke", timed):
        yield


def _tell(found: dict[str, list[Seconds]]) -> None:
    short, long = (_medians(builds) for builds in found.values())
    rows = [
        [
            step,
            *(round(v, 3) for v in (short[step], long.get(step, 0.0))),
            round(long.get(step, 0) / max(short[step], 1e-6), 2),
        ]
        for step in short
    ]
    rows.sort(key=lambda r: r[1] - r[2])
    print_table("Seconds", ["step", *found, "ratio"], rows)


def _medians(builds: list[Seconds]) -> Seconds:
    return {step: statistics.median(b.get(step, 0.0) for b in builds) for step in {s for b in builds for s in b}}


if __name__ == "__main__":
    typer.run(growth)
