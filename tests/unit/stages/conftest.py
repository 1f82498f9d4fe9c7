"""A lake of one stream, landed piece by piece."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.split import Splitter
from datacentre.contracts import Contract, load_contracts
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import Settings, from_environment
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import create_table

STREAM = "rcsc__service_feedback"
BROKER_TIME_MS = 1_748_764_800_000  # 2025-06-01T08:00:00Z
Land = Callable[..., None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"DATACENTRE_HOME": str(tmp_path)})


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contracts(from_environment({}).schemas)[STREAM]


@pytest.fixture
def land(settings: Settings, contract: Contract) -> Land:
    return lander(settings, contract)


def lander(settings: Settings, contract: Contract) -> Land:
    """Lands feedback in `[start, next)` of one partition, with one rating; None leaves the range empty."""
    log = CommitLog(create_table(settings.lake, contract, "landed", "cluster/topic"))
    splitter = Splitter(contract, PseudonymKey("k1", b"s" * 32))

    def commit(partition: int, start: int, following: int, rating: int | None = 4, step: int = 1) -> None:
        batch = Batch()
        offsets = range(start, following, step) if rating is not None else ()
        records = [_feedback(f"{partition}-{offset}") for offset in offsets]
        batch.add(
            Chunk.of(
                contract.key,
                (
                    (partition, offset, BROKER_TIME_MS, record["feedback_id"].encode(), json.dumps(record).encode())
                    for offset, record in zip(offsets, records, strict=True)
                ),
            )
        )
        landed = splitter.split(batch.table()).landed
        if rating not in (None, 4):
            place = landed.schema.get_field_index("rating")
            landed = landed.set_column(place, "rating", pa.array([rating] * len(landed), pa.int64()))
        append(log, landed, {partition: (start, following)}, "rules")

    return commit


def _feedback(number: str) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "source": "rcsc/tool",
        "event_time": "2025-06-01T09:00:00+06:00",
        "schema": f"{STREAM}@1.0.0",
        "feedback_id": f"F-{number}",
        "service_code": "cid-first",
        "rating": 4,
    }
