"""`python -m bench.decode.mutations [count]`: damaged records of every stream through the row check.

Each must land or be quarantined with a reason; the command ends with an error otherwise.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from bench.decode.mutation import mutated
from bench.decode.placing import Message, place, splitter
from connectors.sources.simulation import DefectShares, generate
from datacentre.contracts import Contract, load_contracts
from datacentre.settings import REPOSITORY

BATCH = 5_000
UNTIL = datetime(2026, 5, 1, tzinfo=UTC)


def good_messages(contracts: Mapping[str, Contract], records: int, seed: int) -> dict[str, list[Message]]:
    """Simulated records without a defect, by stream."""
    found: dict[str, list[Message]] = {key: [] for key in contracts}
    for record in generate(contracts, REPOSITORY / "schemas" / "reference", seed, records, UNTIL, DefectShares()):
        found[record.stream].append((record.key, record.value))
    return found


def placed_counts(contract: Contract, messages: list[Message]) -> Counter[str]:
    """How many landed, and how many broke each rule; raises AssertionError when a message has no one place."""
    check, counts = splitter(contract), Counter[str]()
    for start in range(0, len(messages), BATCH):
        for one in place(check, messages[start : start + BATCH]):
            counts.update(one.rules or ("landed",))
            counts["messages"] += 1
    return counts


def main(count: int = 100_000, seed: int = 20261124) -> None:
    contracts = load_contracts(REPOSITORY / "schemas")
    good = good_messages(contracts, 20_000, seed)
    share = -(-count // len(contracts))
    print(f"{'stream':24} {'messages':>9} {'landed':>8} {'quarantined':>12} {'rules':>6} {'seconds':>8}")
    total = Counter[str]()
    for key, contract in contracts.items():
        started = time.monotonic()
        counts = placed_counts(contract, list(mutated(good[key], share, seed)))
        seconds, sent, landed = time.monotonic() - started, counts["messages"], counts["landed"]
        print(f"{key:24} {sent:9,} {landed:8,} {sent - landed:12,} {len(counts) - 2:6} {seconds:8.1f}")
        total.update(messages=sent, landed=landed)
    print(f"{'all':24} {total['messages']:9,} {total['landed']:8,} {total['messages'] - total['landed']:12,}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
