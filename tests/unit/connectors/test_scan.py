"""The compiled pass may only agree with the row check in SQL."""

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.scan import warm
from connectors.sink.scan.plan import pattern_parts, scan_plan
from connectors.sink.split import Split, Splitter
from datacentre.contracts import Contract, load_contracts
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import REPOSITORY
from tests.mutations import Message, mutated, samples

CONTRACTS = load_contracts(REPOSITORY / "schemas")
KEY = PseudonymKey("k1", b"s" * 32)
LONG_AFTER_MS = 1_800_000_000_000
by_contract = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))


def table_of(contract: Contract, messages: list[Message]) -> pa.Table:
    batch = Batch()
    batch.add(Chunk.of(contract.key, ((0, n, LONG_AFTER_MS, *m) for n, m in enumerate(messages))))
    return batch.table()


def by_offset(split: Split) -> Iterator[tuple[str, pa.Table]]:
    for name in ("landed", "vault", "quarantine"):
        yield name, getattr(split, name).combine_chunks().sort_by("kafka_offset")


@by_contract
def test_with_and_without_the_pass_every_row_is_the_same(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    assert warm.wait()
    messages = list(mutated(contract, 700, seed=1))
    table = table_of(contract, messages)
    with_pass = dict(by_offset(Splitter(contract, KEY).split(table)))
    monkeypatch.setattr(warm, "is_ready", lambda: False)
    for name, rows in by_offset(Splitter(contract, KEY).split(table)):
        assert with_pass[name].equals(rows), name
    assert with_pass["landed"].num_rows + with_pass["quarantine"].num_rows == len(messages)
    assert with_pass["landed"].num_rows > 50 and with_pass["quarantine"].num_rows > 300
    assert all(rules for rules in with_pass["quarantine"]["broken_rules"].to_pylist())


@by_contract
def test_the_pass_takes_good_records_itself(contract: Contract) -> None:
    """Otherwise it would be right and useless."""
    assert warm.wait()
    from connectors.sink.scan.columns import Scanner

    plan = scan_plan(contract)
    assert plan is not None
    messages = [(str(json.loads(line)[contract.kafka_key]).encode(), line) for line in samples(contract)]
    good, fields = Scanner(plan).good(table_of(contract, messages))
    assert np.mean(good) > 0.9
    assert fields["event_id"].null_count == 0


@pytest.mark.parametrize(
    ("pattern", "is_known"),
    [
        ("^[0-9]{11}$", True),
        (r"^\+?[0-9]{8,15}$", True),
        ("^[A-Z]{2}-[0-9]{1,3}$", True),
        ("^[A-Z0-9]{1,3}[0-9]{2}$", False),
        ("^(a|b)$", False),
        ("^[0-9]+$", False),
        ("[0-9]{3}", False),
    ],
)
def test_only_patterns_with_one_way_to_match_are_taken(pattern: str, is_known: bool) -> None:
    assert (pattern_parts(pattern) is not None) == is_known


def test_only_the_compiling_thread_goes_without_scipy() -> None:
    """Great Expectations needs it, and may be imported by another thread meanwhile."""
    script = """
import threading
from connectors.sink.scan.warm import _without_scipy
found = []
with _without_scipy():
    other = threading.Thread(target=lambda: found.append(__import__("importlib.util").util.find_spec("scipy")))
    other.start(); other.join()
    try:
        import scipy
    except ImportError:
        print(found[0] is not None)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
