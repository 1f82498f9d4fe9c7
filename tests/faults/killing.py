"""Sinks killed while they work: at named crash points and at random moments."""

import itertools
import random
import signal
import time
from collections.abc import Callable, Sequence

from tests.faults.fleet import Fleet, SinkProcess

RANDOM = ""
TABLES = ("vault", "quarantine", "landed")
COMMITS = (
    *(f"{when}_{table}_commit" for table in TABLES for when in ("before", "after")),
    *(f"before_{table}_upload" for table in TABLES),
    "upload",
)
_LOOK_SECONDS = 0.05
_UNREACHED_SECONDS = 15.0
_STUCK_SECONDS = 90.0
_LONGEST_RANDOM_SECONDS = 1.5
Told = Callable[[int], None]


def keep_killing(
    fleet: Fleet, orders: Sequence[str], wanted: int, told: Told, sinks: int = 3, seed: int = 20261124
) -> int:
    """Start sinks with these orders in turn, over and over, until `wanted` were killed after a commit of their own.

    An order is a crash point with its passing (`name:nth`), or RANDOM. A sink whose crash point does not come
    (it has no partition with such rows) is killed at a random moment instead, and counts as such a kill.
    """
    moments, turn = random.Random(seed), itertools.cycle(orders)
    for number in range(len(fleet.running), sinks):
        fleet.start(f"sink-{number}", next(turn))
    due: dict[int, float] = {}
    counted = 0
    while counted < wanted:
        time.sleep(_LOOK_SECONDS)
        for process in list(fleet.running):
            _kill_when_due(fleet, process, due, moments)
            if not process.has_ended:
                continue
            if not process.was_killed:
                fleet.unexpected(process, f"ended with {process.popen.returncode}")
            counted += due.get(process.popen.pid, 0) > 0 or process.commits() > 0
            told(counted)
            fleet.replace(process, next(turn))
    return counted


def _kill_when_due(fleet: Fleet, process: SinkProcess, due: dict[int, float], moments: random.Random) -> None:
    """Kill a process at a random moment after its first commit; `due` says when, by process."""
    pid = process.popen.pid
    if process.has_ended or (process.crash_at and process.age() < _UNREACHED_SECONDS):
        return
    if pid not in due:
        if process.commits() > 0:
            due[pid] = time.monotonic() + moments.uniform(0, _LONGEST_RANDOM_SECONDS)
        elif process.age() > _STUCK_SECONDS:
            fleet.unexpected(process, f"committed nothing in {_STUCK_SECONDS:.0f} s")
    elif time.monotonic() >= due[pid]:
        process.send(signal.SIGKILL)
        process.popen.wait()
