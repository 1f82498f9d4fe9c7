"""Zombies: sinks frozen for longer than their session, which wake up when others have taken over."""

import random
import signal
import time

from tests.faults.fleet import Fleet, SinkProcess
from tests.faults.killing import TABLES, Told

_SINKS = 4
_PAIR = 2
_ORDERS = (
    *(f"before_{table}_commit:2:stop" for table in TABLES),
    *(f"before_{table}_upload:2:stop" for table in TABLES),
    "after_vault_commit:2:stop",
    "after_landed_commit:2:stop",
)
_FREEZE_SECONDS = 40.0


def keep_freezing(fleet: Fleet, wanted: int, told: Told, seed: int = 20261124) -> int:
    """Freeze two of four sinks at a time, one at a random moment and one inside its commit, and wake them up
    after the others have committed their partitions; returns how many zombies there were.

    A zombie counts when it had committed before, slept longer than its session, and every busy partition was
    moved on by others meanwhile.
    """
    moments = random.Random(seed)
    for number in range(_SINKS):
        fleet.start(f"sink-{number}")
    fleet.wait_for_progress()
    counted = 0
    for round_number in range(10 * wanted):
        if counted >= wanted:
            break
        _wait_for_commits(fleet)
        first, second = moments.sample(fleet.running, _PAIR)
        second.kill()
        second = fleet.replace(second, _ORDERS[round_number % len(_ORDERS)])
        frozen = [p for p in (_frozen_in_commit(second), _frozen(first, moments)) if p]
        time.sleep(fleet.settings.session_seconds + 0.5)
        fleet.wait_for_progress(busy=0.99)
        for zombie in frozen:
            if not zombie.is_frozen:
                fleet.unexpected(zombie, "did not stay frozen")
            zombie.send(signal.SIGCONT)
        counted += len(frozen)
        told(counted)
        time.sleep(moments.uniform(0.2, 1.5))
        fleet.require_running()
    fleet.require_running()
    fleet.wait_for_progress(busy=0.99)
    return counted


def _wait_for_commits(fleet: Fleet) -> None:
    """Until every sink has committed, or has been given no partition for a while."""
    until = time.monotonic() + 10.0
    while time.monotonic() < until and not all(p.commits() for p in fleet.running):
        time.sleep(0.1)


def _frozen(process: SinkProcess, moments: random.Random) -> SinkProcess | None:
    if not process.commits():
        return None
    time.sleep(moments.uniform(0.0, 0.5))
    process.send(signal.SIGSTOP)
    return process


def _frozen_in_commit(process: SinkProcess) -> SinkProcess | None:
    """The process once it stands at the place it was told to freeze at; None when it doesn't get there."""
    until = time.monotonic() + _FREEZE_SECONDS / 4
    while not process.is_frozen and time.monotonic() < until:
        time.sleep(0.02)
    if process.is_frozen and process.commits():
        return process
    process.send(signal.SIGCONT)
    return None
