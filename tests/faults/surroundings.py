"""Faults around the sinks: the broker, the disk, other writers, a second sink of the same name."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Barrier

from deltalake import DeltaTable

from datacentre.settings import REPOSITORY
from lake.tables import LAYERS, table_folder
from tests.faults.fleet import Fleet, SinkProcess, Unexpected, end_child
from tests.faults.killing import RANDOM, TABLES, Told, keep_killing

_FILL_ORDERS = tuple(f"before_{table}_{step}:2:stop" for table in TABLES for step in ("upload", "commit"))
_NO_ANSWER = tuple(f"after_{table}_commit:2:fail" for table in TABLES)
_UNAVAILABLE = 3


def broker_killed(fleet: Fleet, wanted: int, told: Told, kill_broker: Barrier) -> int:
    """The broker is killed under all fleets at once, and started again."""
    for number in range(3):
        fleet.start(f"sink-{number}")
    for done in range(1, wanted + 1):
        fleet.wait_for_progress()
        kill_broker.wait(timeout=180)
        told(done)
    fleet.wait_for_progress(120)
    fleet.require_running()
    return wanted


def answer_lost(fleet: Fleet, wanted: int, told: Told) -> int:
    """The commit is in the lake, its writer hears of a failure; the sink says so and ends, the next one goes on."""
    fleet.start("bystander")
    for done in range(wanted):
        process = fleet.start("unheard", _NO_ANSWER[done % len(_NO_ANSWER)])
        _wait(fleet, process, lambda p: p.has_ended, 60)
        if process.popen.returncode != _UNAVAILABLE:
            fleet.unexpected(process, f"ended with {process.popen.returncode}")
        fleet.running.remove(process)
        told(done + 1)
    return wanted


def same_name_twice(fleet: Fleet, wanted: int, told: Told) -> int:
    """A second sink is started with the very same settings while the first works; one of them dies later."""
    fleet.start("other")
    for done in range(wanted):
        first = fleet.start("twin")
        _wait(fleet, first, lambda p: p.commits() > 0, 60)
        second = fleet.start("twin")
        fleet.wait_for_progress()
        time.sleep(3.0)
        for process in (first, second) if done % 2 else (second, first):
            process.kill()
            fleet.running.remove(process)
            fleet.wait_for_progress(busy=0.3)
        told(done + 1)
    return wanted


def disk_full(fleet: Fleet, wanted: int, told: Told) -> int:
    """The lake's disk is filled to the last byte while a sink is about to write or commit: it says so and ends."""
    ballast = fleet.settings.home / "ballast"
    for done in range(wanted):
        process = fleet.start("sink-0", _FILL_ORDERS[done % len(_FILL_ORDERS)])
        _wait(fleet, process, lambda p: p.is_frozen, 60)
        _fill(ballast)
        process.send(signal.SIGCONT)
        _wait(fleet, process, lambda p: p.has_ended, 60)
        ballast.unlink()
        if process.popen.returncode != _UNAVAILABLE or not _tells_of_the_disk(process):
            fleet.unexpected(process, f"ended with {process.popen.returncode}")
        fleet.running.remove(process)
        told(done + 1)
    return wanted


def foreign_entries(fleet: Fleet, wanted: int, told: Told) -> int:
    """Another program writes into the Delta logs: properties, empty appends by path, compactions, checkpoints."""
    return _beside(fleet, wanted, told, "foreign")


def compaction_races(fleet: Fleet, wanted: int, told: Told) -> int:
    """Another process compacts and cleans the tables without a pause."""
    return _beside(fleet, wanted, told, "upkeep")


def upkeep_killed(fleet: Fleet, wanted: int, told: Told) -> int:
    """Sinks die in their own compaction, log cleanup and vacuum."""
    orders = [f"{name}:{nth}" for nth in (1, 2) for name in ("compaction", "log_cleanup", "vacuum")]
    return keep_killing(fleet, orders, wanted, told)


def checkpoints_killed(fleet: Fleet, wanted: int, told: Told) -> int:
    """Every commit writes a checkpoint too; sinks die inside of that call."""
    first = fleet.start("sink-0")
    _wait(fleet, first, lambda p: p.commits() > 0, 60)
    fleet.end()
    for key in fleet.contracts:
        for layer in LAYERS:
            table = DeltaTable(table_folder(fleet.settings.lake, layer, key))
            table.alter.set_table_properties({"delta.checkpointInterval": "1"})
    return keep_killing(fleet, [f"{t}_commit:{nth}" for nth in (2, 3) for t in TABLES], wanted, told)


def _beside(fleet: Fleet, wanted: int, told: Told, what: str) -> int:
    """Sinks work and are killed while `tests.faults.intruder` does `what`; returns how often it did."""
    first = fleet.start("sink-0")
    _wait(fleet, first, lambda p: p.commits() > 0, 60)
    report = fleet.settings.home / f"{what}.count"
    command = [sys.executable, "-m", "tests.faults.intruder", what, str(fleet.settings.lake), str(report)]
    intruder = subprocess.Popen([*command, *fleet.contracts], cwd=REPOSITORY)
    try:
        until = time.monotonic() + 180
        while (done := int(report.read_text() or 0) if report.exists() else 0) < wanted:
            if intruder.poll() is not None or time.monotonic() > until:
                raise Unexpected(f"{fleet.client}: the other writer did {what} only {done} times")
            told(done)
            keep_killing(fleet, [RANDOM], 1, lambda count: None, seed=done)
    finally:
        end_child(intruder)
    fleet.wait_for_progress()
    return int(report.read_text())


def _wait(fleet: Fleet, process: SinkProcess, is_so: Callable[[SinkProcess], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not is_so(process):
        if time.monotonic() > until:
            fleet.unexpected(process, f"did not do in {seconds:.0f} s what it should")
        time.sleep(0.02)


def _fill(ballast: Path) -> None:
    """Write until the disk takes no more."""
    free = shutil.disk_usage(ballast.parent).free
    with ballast.open("wb", buffering=0) as file:
        try:
            while free > 0:
                free -= file.write(b"\0" * min(free, 1024 * 1024))
            while True:
                file.write(b"\0" * 1024)
        except OSError:
            return


def _tells_of_the_disk(process: SinkProcess) -> bool:
    text = process.log.read_text(errors="replace").lower()
    return any(words in " ".join(text.split()) for words in ("no space left", "mib free on the disk", "os error 28"))
