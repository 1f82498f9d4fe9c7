"""Every stream ships a small sample that its contract accepts whole."""

import json
from pathlib import Path

import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Splitter
from datacentre.contracts import Contract, load_contracts
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import REPOSITORY

SCHEMAS = REPOSITORY / "schemas"
CONTRACTS = load_contracts(SCHEMAS)
LONG_AFTER_MS = 1_790_000_000_000  # September 2026, later than any sample


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))
def test_the_sample_passes(contract: Contract) -> None:
    lines = (SCHEMAS / "samples" / f"{contract.key}.jsonl").read_bytes().splitlines()
    batch = Batch()
    keys = [json.loads(line)[contract.kafka_key].encode() for line in lines]
    records = zip(keys, lines, strict=True)
    batch.add(Chunk.of(contract.key, ((0, n, LONG_AFTER_MS, *record) for n, record in enumerate(records))))
    parts = Splitter(contract, PseudonymKey("k1", b"s" * 32)).split(batch.table())
    assert parts.quarantine["broken_rules"].to_pylist() == []
    assert parts.landed.num_rows == len(lines) >= 20


def test_there_is_no_other_sample() -> None:
    assert {f.stem for f in Path(SCHEMAS / "samples").glob("*")} == set(CONTRACTS)
