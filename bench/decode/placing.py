"""Messages through the sink's own row check, one answer per message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from connectors.sink.scan import warm
from connectors.sink.split import Splitter
from datacentre.contracts import Contract
from datacentre.pseudonym import PseudonymKey

Message = tuple[bytes | None, bytes | None]
"""Kafka key and value."""

RECEIVED_MICROS = 1_780_000_000_000_000  # 2026-05-28


@dataclass(frozen=True)
class Placed:
    """Where one message went: `rules` names why it is in quarantine, `row` is what landed of it."""

    rules: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_landed(self) -> bool:
        return bool(self.row)


def splitter(contract: Contract) -> Splitter:
    """The sink's check of this contract, its compiled pass ready from the first message on."""
    assert warm.wait(), "the compiled pass did not get ready"
    return Splitter(contract, PseudonymKey("k1", b"s" * 32))


def table_of(messages: Sequence[Message], received_micros: int = RECEIVED_MICROS) -> pa.Table:
    """The messages as the sink's batches hold them, offsets counted from 0 in partition 0."""
    count = len(messages)
    columns = {
        "kafka_partition": pa.repeat(pa.scalar(0, pa.int32()), count),
        "kafka_offset": pa.array(range(count), pa.int64()),
        "broker_time": pa.repeat(pa.scalar(received_micros, pa.timestamp("us", "UTC")), count),
        "record_key": pa.array([key for key, _ in messages], pa.binary()),
        "value": pa.array([value for _, value in messages], pa.binary()),
    }
    return pa.table(columns)


def place(check: Splitter, messages: Sequence[Message]) -> list[Placed]:
    """One answer per message, in order; raises AssertionError unless each has exactly one place and a reason."""
    parts = check.split(table_of(messages))
    places: dict[int, Placed] = {row["kafka_offset"]: Placed(row=row) for row in parts.landed.to_pylist()}
    bad = parts.quarantine.select(["kafka_offset", "broken_rules"]).to_pylist()
    for row in bad:
        places.setdefault(row["kafka_offset"], Placed(rules=tuple(row["broken_rules"])))
    placed = parts.landed.num_rows + parts.quarantine.num_rows
    assert placed == len(messages) and places.keys() == set(range(placed)), "a message has no place, or two"
    assert all(row["broken_rules"] for row in bad), "a message is in quarantine without a reason"
    return [places[number] for number in range(placed)]
