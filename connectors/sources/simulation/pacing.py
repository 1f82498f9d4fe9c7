"""Sending a simulation: at a fixed rate, or as fast as the broker takes it."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connectors.sources.producer import Producer
from connectors.sources.simulation.record import OutgoingRecord
from datacentre import names

_PROGRESS_RECORDS = 1_000
_SLEEPS_PER_SECOND = 50


@dataclass(frozen=True)
class Sent:
    """Records the broker has acknowledged, in all, by stream, and by defect."""

    records: int
    by_stream: Mapping[str, int]
    by_defect: Mapping[str, int]


def simulate(
    records: Iterable[OutgoingRecord],
    producer: Producer,
    rate: float | None,
    progress: Callable[[int], None],
) -> Sent:
    """Send all records, `rate` a second or (None) flat out, and wait until each is acknowledged.

    `progress` gets the number sent so far, every thousand and at the end. Raises SourceUnavailable
    when a record isn't acknowledged.
    """
    streams: Counter[str] = Counter()
    defects: Counter[str] = Counter()
    count = 0
    for count, record in enumerate(_paced(records, rate) if rate else records, start=1):
        producer.send(names.topic(record.stream), record.key, record.value)
        streams[record.stream] += 1
        if record.defect is not None:
            defects[record.defect] += 1
        if count % _PROGRESS_RECORDS == 0:
            progress(count)
    producer.flush()
    progress(count)
    return Sent(count, dict(streams), dict(defects))


def _paced(records: Iterable[OutgoingRecord], rate: float) -> Iterable[OutgoingRecord]:
    """The records, none earlier than its turn; looks at the clock fifty times a second at most."""
    stride = max(1, int(rate / _SLEEPS_PER_SECOND))
    begun = time.monotonic()
    for position, record in enumerate(records):
        if position % stride == 0:
            time.sleep(max(0.0, begun + position / rate - time.monotonic()))
        yield record
