"""`python -m bench.decode`: the same messages through four decoders, for meaning and for speed."""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime

from bench.decode.case import STREAM, Case
from bench.decode.corpus import corpus
from bench.decode.engines import ENGINES, takes
from connectors.sources.simulation import DefectShares, generate
from datacentre.cli.console import print_table
from datacentre.contracts import Contract, load_contracts
from datacentre.settings import REPOSITORY

_SPEED_STREAM = "jdwnrh__hospital_visit"
_MESSAGES = 50_000
_SECONDS = 60.0


def main() -> None:
    contracts = load_contracts(REPOSITORY / "schemas")
    by_engine = [verdicts(name, contracts[STREAM], corpus()) for name in ENGINES]
    rows = [
        [case.name, "yes" if case.is_readable else "no", *found]
        for case, *found in zip(corpus(), *by_engine, strict=True)
    ]
    print_table(
        "Cases in which an engine differs from RFC 8259 and the contract's types",
        ["message", "readable", *ENGINES],
        [row for row in rows if any(found != row[1] for found in row[2:])],
    )
    right = [f"{sum(row[column] == row[1] for row in rows)} of {len(rows)}" for column in range(2, 2 + len(ENGINES))]
    clean, defective = messages(contracts, 0.0), messages(contracts, 0.02)
    contract = contracts[_SPEED_STREAM]
    speeds = [[speed(name, contract, found) for name in ENGINES] for found in (clean, defective)]
    print_table(
        f"{_MESSAGES:,} records of {_SPEED_STREAM}, one core",
        ["", *ENGINES],
        [["cases right", *right], ["records/s, clean", *speeds[0]], ["records/s, 2 % defective", *speeds[1]]],
    )


def verdicts(engine: str, contract: Contract, cases: Sequence[Case]) -> list[str]:
    """`yes` where the engine takes the message; a process of its own, since some messages end it."""
    found, pool = [], _pool()
    for case in cases:
        try:
            found.append(pool.submit(takes, engine, contract, case.value).result(_SECONDS))
        except (BrokenProcessPool, TimeoutError):
            found.append("process ends")
            pool = _pool()
    pool.shutdown()
    return found


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def messages(contracts: dict[str, Contract], defects: float) -> list[bytes]:
    end = datetime(2026, 5, 1, tzinfo=UTC)
    made = generate(
        contracts, REPOSITORY / "schemas" / "reference", 7, 4 * _MESSAGES, end, DefectShares.spread(defects)
    )
    return [r.value for r in made if r.stream == _SPEED_STREAM and r.value is not None][:_MESSAGES]


def speed(engine: str, contract: Contract, found: Sequence[bytes]) -> str:
    """Records a second, the better of two runs; a batch that fails as a whole has none."""
    best = float("inf")
    try:
        for _ in range(2):
            started = time.perf_counter()
            ENGINES[engine](contract, found)
            best = min(best, time.perf_counter() - started)
    except Exception as problem:
        return f"fails ({type(problem).__name__})"
    return f"{len(found) / best:,.0f}"


if __name__ == "__main__":
    main()
