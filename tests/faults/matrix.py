"""The fault matrix: `python -m tests.faults.matrix`. Kills, zombies and the rest over both clients, counted.

Each scenario has topics and lakes of its own; both clients read the same topics at the same time, as two groups
over two lakes. It ends with a table and fails when anything was lost or came twice, or when fewer faults than
asked for hit a sink that had committed before.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from datacentre.settings import KAFKA_CLIENTS
from tests.faults.arena import Arena
from tests.faults.count import Count, count
from tests.faults.fleet import Fleet, Unexpected
from tests.faults.report import print_table, write_page
from tests.faults.scenarios import Scenario, scenarios

_BEGUN = time.monotonic()
_TELL_SECONDS = 10.0


@dataclass
class Row:
    """One fault over one client: how often it was delivered, and what the lake looked like after."""

    fault: str
    kind: str
    client: str
    wanted: int
    times: int = 0
    records: int = 0
    lost: int = 0
    duplicated: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def is_good(self) -> bool:
        return not (self.problem or self.lost or self.duplicated) and self.records > 0 and self.times >= self.wanted


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    arena = Arena(options.port)
    rows: list[Row] = []
    try:
        arena.start_broker()
        barrier = threading.Barrier(len(options.clients), action=arena.kill_broker)
        chosen = scenarios(options.kills, options.zombies, options.others, len(options.clients), barrier)
        for number, scenario in enumerate(s for s in chosen if options.only in s.name):
            if time.monotonic() - _BEGUN > options.minutes * 60:
                rows += [_row(scenario, c, problem="no time left") for c in options.clients]
                continue
            rows += _run(arena, number, scenario, options.clients)
            barrier.reset()
    finally:
        arena.close()
    return _conclude(rows, options)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=310, help="at least so many SIGKILLs over all clients")
    parser.add_argument("--zombies", type=int, default=52, help="at least so many zombies over all clients")
    parser.add_argument("--others", type=int, default=3, help="how often the rarer faults, by client")
    parser.add_argument("--minutes", type=float, default=55, help="begin no scenario after this")
    parser.add_argument("--port", type=int, default=19392, help="of the run's own broker; the next is used too")
    parser.add_argument("--only", default="", help="scenarios whose name holds this text")
    parser.add_argument("--clients", nargs="+", choices=KAFKA_CLIENTS, default=list(KAFKA_CLIENTS))
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--page", type=Path, help="write the table into this page")
    return parser.parse_args(arguments)


def _row(scenario: Scenario, client: str, problem: str = "") -> Row:
    return Row(scenario.name, scenario.kind, client, scenario.wanted, problem=problem)


def _run(arena: Arena, number: int, scenario: Scenario, clients: Sequence[str]) -> list[Row]:
    """One scenario over all clients at once, then the count of each lake."""
    say(f"{scenario.name} ...")
    rows = {client: _row(scenario, client) for client in clients}
    fleets = {client: arena.fleet(client, number, scenario) for client in clients}
    with arena.traffic(scenario):
        threads = [
            threading.Thread(target=_deliver, args=(scenario, fleets[client], rows[client]), daemon=True)
            for client in clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for client, fleet in fleets.items():
        _settle(fleet, rows[client])
        say(f"{client}: {rows[client]}")
        if rows[client].is_good:
            arena.clear(fleet)
    return list(rows.values())


def _deliver(scenario: Scenario, fleet: Fleet, row: Row) -> None:
    begun, told_at = time.monotonic(), time.monotonic()

    def told(times: int) -> None:
        nonlocal told_at
        row.times = times
        if time.monotonic() - told_at > _TELL_SECONDS:
            told_at = time.monotonic()
            say(f"  {fleet.client}: {times} of {scenario.wanted}")

    try:
        row.times = scenario.run(fleet, scenario.wanted, told)
    except (Unexpected, threading.BrokenBarrierError, AssertionError, OSError) as problem:
        row.problem = str(problem) or type(problem).__name__
        say(f"  PROBLEM {fleet.client}: {row.problem}")
    row.seconds = round(time.monotonic() - begun, 1)


def _settle(fleet: Fleet, row: Row) -> None:
    """End the sinks, land the rest, and count."""
    try:
        if stubborn := fleet.end():
            row.problem += f" {len(stubborn)} did not end: {stubborn[0].last_words()}"
        fleet.catch_up()
        found: Count = count(fleet)
    except Exception as problem:
        row.problem += f" {type(problem).__name__}: {problem}"
        return
    row.records, row.lost, row.duplicated = found.records, found.lost, found.duplicated
    if found.differences:
        row.problem += f" verify: {'; '.join(found.differences)}"


def _conclude(rows: list[Row], options: argparse.Namespace) -> int:
    kills, zombies = (sum(r.times for r in rows if r.kind == kind) for kind in ("kill", "zombie"))
    minutes = (time.monotonic() - _BEGUN) / 60
    outcome = {"kills": kills, "zombies": zombies, "minutes": round(minutes, 1), "rows": [asdict(r) for r in rows]}
    print_table(outcome)
    if options.json:
        options.json.write_text(json.dumps(outcome, indent=1) + "\n")
    if options.page:
        write_page(options.page, outcome)
    too_few = not options.only and (kills < options.kills or zombies < options.zombies)
    return int(too_few or not all(r.is_good for r in rows))


def say(text: str) -> None:
    print(f"{time.monotonic() - _BEGUN:7.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
