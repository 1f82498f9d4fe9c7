"""The rows of the fault matrix: what happens, how often, and what the broker and the sinks are set to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from threading import Barrier
from typing import Literal

from tests.faults import surroundings
from tests.faults.fleet import Fleet
from tests.faults.freezing import keep_freezing
from tests.faults.killing import COMMITS, RANDOM, Told, keep_killing

Kind = Literal["kill", "zombie", "other"]


@dataclass(frozen=True)
class Scenario:
    """`run` gets (fleet, wanted, told) and returns how often the fault was really delivered to one client."""

    name: str
    kind: Kind
    wanted: int
    run: Callable[[Fleet, int, Told], int]
    is_static: bool = True
    has_transactions: bool = False
    small_disk: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


def scenarios(kills: int, zombies: int, others: int, clients: int, kill_broker: Barrier) -> list[Scenario]:
    """`kills` and `zombies` over all clients together, `others` times each of the rest by client."""

    def part(share: float) -> int:
        return max(1, ceil(kills / clients * share))

    named = [f"{name}:{nth}" for nth in (2, 3) for name in COMMITS]
    rebalance = ["on_revoked:1", RANDOM, "on_assigned:2", RANDOM, "on_assigned:3"]
    return [
        Scenario("killed before or after a commit or in an upload", "kill", part(0.4), _kills(named)),
        Scenario("killed at a random moment", "kill", part(0.27), _kills([RANDOM])),
        Scenario(
            "killed while transactions are aborted",
            "kill",
            part(0.1),
            _kills([RANDOM, *named]),
            has_transactions=True,
        ),
        Scenario("killed while partitions change hands", "kill", part(0.06), _kills(rebalance), is_static=False),
        Scenario(
            "killed in compaction, log cleanup or vacuum",
            "kill",
            part(0.09),
            surroundings.upkeep_killed,
            extra={"DATACENTRE_UPKEEP_COMMITS": "1"},
        ),
        Scenario("killed inside a commit with its checkpoint", "kill", part(0.09), surroundings.checkpoints_killed),
        Scenario("frozen longer than its session (zombie)", "zombie", ceil(zombies / clients), keep_freezing),
        Scenario(
            "broker killed and restarted",
            "other",
            others,
            lambda fleet, wanted, told: surroundings.broker_killed(fleet, wanted, told, kill_broker),
        ),
        Scenario("answer of a commit lost", "other", 2 * others, surroundings.answer_lost),
        Scenario("second sink with the same settings", "other", others, surroundings.same_name_twice),
        Scenario("log entries of another program", "other", 20 * others, surroundings.foreign_entries),
        Scenario("compaction by another process", "other", 10 * others, surroundings.compaction_races),
        Scenario("disk full", "other", 2 * others, surroundings.disk_full, small_disk=True),
    ]


def _kills(orders: list[str]) -> Callable[[Fleet, int, Told], int]:
    return lambda fleet, wanted, told: keep_killing(fleet, orders, wanted, told)
